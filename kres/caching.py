"""Where this user's caches lie."""

import os
from pathlib import Path


def user_cache() -> Path:
    """The folder of this user's caches: `XDG_CACHE_HOME`, else `~/.cache`."""
    return from_environment("XDG_CACHE_HOME", "~/.cache")


def from_environment(variable: str, default: str) -> Path:
    """The folder that an environment variable names, or the default where it is not set."""
    return Path(os.environ.get(variable) or default).expanduser()
