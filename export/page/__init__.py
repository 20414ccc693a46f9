"""The report of an export: one HTML page that needs nothing else, no network and no other file."""

from kres.export.page.document import Artifact, Page, html, write_page

__all__ = ["Artifact", "Page", "html", "write_page"]
