"""What tests of every area share."""

import os
from typing import NoReturn

import pytest


def require_all() -> bool:
    """True where every test must run, as in continuous integration."""
    return os.environ.get("KRES_REQUIRE_ALL", "") not in ("", "0")


def skip_or_fail(reason: str) -> NoReturn:
    """Skip the test, or fail it where KRES_REQUIRE_ALL=1 says that nothing may be missing."""
    if require_all():
        pytest.fail(f"KRES_REQUIRE_ALL is set and this test cannot run: {reason}", pytrace=False)
    pytest.skip(reason)
