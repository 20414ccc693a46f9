"""Headless Chromium, as tests of pages use it."""

import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

from tests.support import skip_or_fail

NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium(page: str, folder: Path, *options: str) -> bytes:
    """Open a page, given as text, and give what the browser writes to standard output."""
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        skip_or_fail("Chromium is not installed")
    path = folder / "opened.html"
    path.write_text(page, encoding="utf-8")
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        f"--user-data-dir={folder / 'profile'}",
    ]
    done = subprocess.run([browser, *flags, *options, path.as_uri()], check=True, capture_output=True, timeout=120)
    return done.stdout


def dump_dom(page: str, folder: Path) -> str:
    """The text of the body once the page's scripts have run."""
    written = chromium(page, folder, "--virtual-time-budget=10000", "--dump-dom").decode()
    body = re.sub(r"(?s)<script.*?</script>", "", written.split("<body", 1)[1].split(">", 1)[1])
    return unescape(re.sub(r"<[^>]*>", "", body)).strip()
