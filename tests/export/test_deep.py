"""Networks of hundreds of blocks: a converter's usual way takes minutes there, and writes a file that answers NaN."""

import numpy as np
import pytest

import kres
from kres import export
from kres.export.files.inspection import inspect


@pytest.mark.slow
def test_resnet1202_exports(tmp_path):
    model = kres.build("cifar_resnet1202", input_shape=(16, 16, 3))
    rng = np.random.default_rng(0)
    for layer in model.layers:
        # 600 fresh branches add up to infinity; a tenth of each keeps the sum finite, and every branch in it.
        if "block" in layer.name and layer.name.endswith("norm2"):
            layer.gamma.assign(rng.uniform(0.05, 0.15, layer.gamma.shape))
    images = rng.normal(size=(8, 16, 16, 3)).astype(np.float32)
    report = export.tflite(model, tmp_path / "m.tflite", images=images)
    assert report.passed and report.cosine > 0.999
    operators = inspect(report.path).operators
    assert operators["CONV_2D"] == 1201 and operators["ADD"] == 600 and operators["MUL"] == 0
