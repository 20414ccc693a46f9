"""Published and saved weights, from any of their file formats into a network."""

from kres.weights.card import Measured
from kres.weights.catalog import PUBLISHED, Published
from kres.weights.downloads import DownloadError
from kres.weights.loading import find_weights, load_weights, preprocess
from kres.weights.publishing import UploadError, push
from kres.weights.saving import export_weights
from kres.weights.tags import check_source, find_published, list_models, network_of, published_name, tags_of

__all__ = [
    "PUBLISHED",
    "DownloadError",
    "Measured",
    "Published",
    "UploadError",
    "check_source",
    "export_weights",
    "find_published",
    "find_weights",
    "list_models",
    "load_weights",
    "network_of",
    "preprocess",
    "published_name",
    "push",
    "tags_of",
]
