"""SavedModel, TFLite and ONNX files from a trained model, and the proof that they compute the same thing."""

if __name__ != "kres.export":
    raise ImportError(f"this package is imported as kres.export, not as {__name__}")

from kres.export.about import About
from kres.export.artifacts import CALIBRATION_IMAGES, RejectedError, export_all, makeable, onnx, saved_model, tflite
from kres.export.benchmarking import Timing, benchmark
from kres.export.browser import web_page
from kres.export.calibration import collect_ranges
from kres.export.compatibility import Platforms
from kres.export.extras import MissingExtraError
from kres.export.formats import FORMATS, Format, Tolerance
from kres.export.images import Images
from kres.export.layers import layer_errors
from kres.export.losses import LayerError
from kres.export.page import Artifact, Page, write_page
from kres.export.pixels import with_pixels
from kres.export.post_training import GaveUpError, PostTraining
from kres.export.reports import Reference, Report, RuntimeReport
from kres.export.request import Request
from kres.export.runtimes import Runtime, installed_runtimes
from kres.export.session import ArtifactError
from kres.export.tensors import tensor_errors
from kres.export.verification import reference, verify

__all__ = [
    "CALIBRATION_IMAGES",
    "FORMATS",
    "About",
    "Artifact",
    "ArtifactError",
    "Format",
    "GaveUpError",
    "Images",
    "LayerError",
    "MissingExtraError",
    "Page",
    "Platforms",
    "PostTraining",
    "Reference",
    "RejectedError",
    "Report",
    "Request",
    "Runtime",
    "RuntimeReport",
    "Timing",
    "Tolerance",
    "benchmark",
    "collect_ranges",
    "export_all",
    "installed_runtimes",
    "layer_errors",
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
