"""SavedModel and TFLite files from a trained model, and the proof that they compute the same thing."""

if __name__ != "kres.export":
    raise ImportError(f"this package is imported as kres.export, not as {__name__}")

from kres.export.artifacts import RejectedError, export_all, saved_model, tflite
from kres.export.benchmarking import Timing, benchmark
from kres.export.browser import web_page
from kres.export.comparison import Reference, Report
from kres.export.formats import FORMATS, Format, Tolerance
from kres.export.images import Images
from kres.export.session import ArtifactError
from kres.export.verification import reference, verify

__all__ = [
    "FORMATS",
    "ArtifactError",
    "Format",
    "Images",
    "Reference",
    "RejectedError",
    "Report",
    "Timing",
    "Tolerance",
    "benchmark",
    "export_all",
    "reference",
    "saved_model",
    "tflite",
    "verify",
    "web_page",
]
