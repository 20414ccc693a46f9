"""Weight-only quantization of a float32 TFLite file by ai-edge-quantizer."""

import contextlib
import io
from pathlib import Path

import keras

from kres.export.conversion.converter import convert, tflite_converter


def write(model: keras.Model, path: Path, *, bits: int) -> None:
    """Write kernels in signed integers of 8 or 4 bits, a scale an output channel, and arithmetic in float32."""
    from ai_edge_quantizer import recipe
    from ai_edge_quantizer.quantizer import Quantizer

    recipes = {8: recipe.weight_only_wi8_afp32, 4: recipe.weight_only_wi4_afp32}
    content = convert(tflite_converter(model))
    quantizer = Quantizer(bytearray(content), recipes[bits]())
    # One of its progress bars has no option.
    with contextlib.redirect_stderr(io.StringIO()):
        result = quantizer.quantize(enable_progress_bar=False, enable_progress_report=False)
    path.write_bytes(result.quantized_model)
