"""SavedModel and TFLite files from a trained model, and the proof that they compute the same thing."""

if __name__ != "kres.export":
    raise ImportError(f"this package is imported as kres.export, not as {__name__}")

from kres.export.artifacts import CALIBRATION_IMAGES, RejectedError, export_all, saved_model, tflite
from kres.export.benchmarking import Timing, benchmark
from kres.export.browser import web_page
from kres.export.calibration import collect_ranges
from kres.export.comparison import Reference, Report
from kres.export.formats import FORMATS, Format, Tolerance
from kres.export.images import Images
from kres.export.layers import LayerError, layer_errors
from kres.export.post_training import GaveUpError, PostTraining
from kres.export.session import ArtifactError
from kres.export.verification import reference, verify

__all__ = [
    "CALIBRATION_IMAGES",
    "FORMATS",
    "ArtifactError",
    "Format",
    "GaveUpError",
    "Images",
    "LayerError",
    "PostTraining",
    "Reference",
    "RejectedError",
    "Report",
    "Timing",
    "Tolerance",
    "benchmark",
    "collect_ranges",
    "export_all",
    "layer_errors",
    "reference",
    "saved_model",
    "tflite",
    "verify",
    "web_page",
]
