"""Tests on several replicas: the code runs in a process of its own, whose CPU is several devices."""

import subprocess
import sys
import textwrap
from pathlib import Path

from tests.support import lean

_START = """
    import sys
    sys.path.append(sys.argv[1])  # last, so that an installed kres wins
    import keras
    import numpy as np
    import tensorflow as tf
    from kres.training.distribution import choose

    strategy = choose("mirrored", devices={devices})
    """


def on_two_replicas(code: str) -> str:
    """What `code` prints, where `strategy` mirrors two devices and keras, np and tf are imported."""
    return on_replicas(code, devices=2)


def on_replicas(code: str, *, devices: int) -> str:
    """The same on so many devices."""
    whole = textwrap.dedent(_START.format(devices=devices)) + textwrap.dedent(code)
    command = [sys.executable, "-c", whole, str(Path(__file__).parents[2])]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=lean())
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
