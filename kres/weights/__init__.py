"""Published and saved weights, from any of their file formats into a network."""

from kres.weights.catalog import PUBLISHED, Published
from kres.weights.downloads import DownloadError
from kres.weights.loading import load_weights, preprocess, published_name

__all__ = ["PUBLISHED", "DownloadError", "Published", "load_weights", "preprocess", "published_name"]
