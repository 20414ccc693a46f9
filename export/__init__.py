"""SavedModel, TFLite and ONNX files from a trained model, and the proof that they compute the same thing."""

if __name__ != "kres.export":
    raise ImportError(f"this package is imported as kres.export, not as {__name__}")

from kres.export.about import About
from kres.export.artifacts import RejectedError, export_all, makeable, onnx, saved_model, tflite
from kres.export.browser.site import web_page
from kres.export.conversion.pixels import with_pixels
from kres.export.defaults import CALIBRATION_IMAGES
from kres.export.extras import MissingExtraError
from kres.export.files.errors import ArtifactError
from kres.export.formats import FORMATS, Format, Tolerance
from kres.export.images import Images
from kres.export.losses import LayerError
from kres.export.page import Artifact, Page, write_page
from kres.export.post_training.calibration import collect_ranges
from kres.export.post_training.layers import layer_errors
from kres.export.post_training.quantize import PostTraining
from kres.export.proof.reports import Reference, Report, RuntimeReport
from kres.export.proof.tensors import tensor_errors
from kres.export.proof.verification import reference, verify
from kres.export.request import Request
from kres.export.runtimes.benchmarking import Timing, benchmark
from kres.export.runtimes.compatibility import Platforms
from kres.export.runtimes.interpreters import Runtime, installed_runtimes

__all__ = [
    "CALIBRATION_IMAGES",
    "FORMATS",
    "About",
    "Artifact",
    "ArtifactError",
    "Format",
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
