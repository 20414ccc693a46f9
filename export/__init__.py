"""SavedModel, TFLite and ONNX files from a trained model, and the proof that they compute the same thing."""

if __name__ != "kres.export":
    raise ImportError(f"this package is imported as kres.export, not as {__name__}")

from kres.export.about import About
from kres.export.artifacts import RejectedError, export_all, makeable, onnx, saved_model, tflite
from kres.export.benchmarking import Timing, benchmark
from kres.export.browser import web_page
from kres.export.reports import LayerError, Reference, Report, RuntimeReport
from kres.export.extras import MissingExtraError
from kres.export.formats import FORMATS, Format, Tolerance
from kres.export.images import Images
from kres.export.page import Artifact, Page, write_page
from kres.export.pixels import with_pixels
from kres.export.runtimes import Runtime, installed_runtimes
from kres.export.session import ArtifactError
from kres.export.tensors import tensor_errors
from kres.export.verification import reference, verify

__all__ = [
    "FORMATS",
    "About",
    "Artifact",
    "ArtifactError",
    "Format",
    "Images",
    "LayerError",
    "MissingExtraError",
    "Page",
    "Reference",
    "RejectedError",
    "Report",
    "Runtime",
    "RuntimeReport",
    "Timing",
    "Tolerance",
    "benchmark",
    "export_all",
    "installed_runtimes",
    "makeable",
    "onnx",
    "reference",
    "saved_model",
    "tensor_errors",
    "tflite",
    "verify",
    "web_page",
    "with_pixels",
    "write_page",
]
