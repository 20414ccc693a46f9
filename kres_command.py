"""What the `kres` command starts: a module outside the package, because importing the package imports TensorFlow."""

import os


def main() -> None:
    """Run the `kres` command."""
    # TensorFlow reads both as it is imported. A library must not choose them for its user; a command may.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

    from kres.cli.app import run

    run()
