"""The version of kres, where the packager and the command find it without TensorFlow."""

__version__ = "0.1.0"
