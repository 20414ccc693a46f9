"""SavedModel and TFLite files from a trained model, and the proof that they compute the same thing."""

if __name__ != "kres.export":
    raise ImportError(f"this package is imported as kres.export, not as {__name__}")

from kres.export.artifacts import RejectedError, export_all, saved_model, tflite
from kres.export.benchmarking import Timing, benchmark
from kres.export.browser import web_page
from kres.export.comparison import LayerError, Reference, Report, RuntimeReport
from kres.export.formats import FORMATS, Format, Tolerance
from kres.export.images import Images
from kres.export.runtimes import Runtime, installed_runtimes
from kres.export.session import ArtifactError
from kres.export.tensors import tensor_errors
from kres.export.verification import reference, verify

__all__ = [
    "FORMATS",
    "ArtifactError",
    "Format",
    "Images",
    "LayerError",
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
    "reference",
    "saved_model",
    "tensor_errors",
    "tflite",
    "verify",
    "web_page",
]
