"""The report of an export: one HTML page that needs nothing else, no network and no other file."""

from kres.export.page.contents import Artifact, Earlier, Page
from kres.export.page.document import html, write_page
from kres.export.page.earlier import earlier_artifacts

__all__ = ["Artifact", "Earlier", "Page", "earlier_artifacts", "html", "write_page"]
