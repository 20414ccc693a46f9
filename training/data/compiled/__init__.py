"""Operations of TensorFlow that kres brings as source, compiled on the machine that they run on."""

from kres.training.data.compiled.building import NotBuiltError, build

__all__ = ["NotBuiltError", "build"]
