"""ONNX files by Keras's own exporter, which uses tf2onnx."""

import warnings
from pathlib import Path

import keras

from kres.export.conversion.converter import UnsupportedError, input_name, named_outputs
from kres.scopes import recursion_for


def write(model: keras.Model, path: Path) -> None:
    """Write an ONNX file that takes images (n, h, w, c) with any n, in float32.

    tf2onnx has been through `cifar_resnetv2_1001`: 100 seconds of processor time and 3 GB, logits 1.5e-6 off.

    Raises UnsupportedError for an operation that ONNX, or tf2onnx, does not have.
    """
    # With a batch of 1, tf2onnx takes a map of one position for a bias, and writes a convolution of four inputs.
    spec = keras.InputSpec(shape=(None, *model.inputs[0].shape[1:]), dtype="float32", name=input_name(model))
    with warnings.catch_warnings():
        # Keras gives NumPy back the names that tf2onnx still looks for there.
        warnings.filterwarnings("ignore", message="In the future `np.object`", category=FutureWarning)
        _named(model).export(str(path), format="onnx", verbose=False, input_signature=[spec])
    if foreign := _foreign(path):
        raise UnsupportedError(f"an ONNX file may hold ONNX's own operators alone. Received: {', '.join(foreign)}")


def _named(model: keras.Model) -> keras.Model:
    """Give the model with outputs by name, which tf2onnx gives to the file's."""
    with recursion_for(len(model.operations)):
        return keras.Model(model.input, named_outputs(model.output), name=model.name)


def _foreign(path: Path) -> list[str]:
    """Give the operators that ONNX does not have, which tf2onnx writes as TensorFlow calls them, and their layers."""
    import onnx

    nodes = onnx.load(str(path)).graph.node
    return sorted({f"{node.op_type} at {node.name}" for node in nodes if not onnx.defs.has(node.op_type, node.domain)})
