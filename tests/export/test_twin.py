"""A fake-quantized twin's int8 file: integers throughout, and the twin's own answers."""

from dataclasses import replace

import keras
import numpy as np
import pytest

import kres
from kres import export
from kres.export import formats
from kres.export.files.inspection import inspect
from kres.export.formats import Options
from kres.export.losses import Quantized
from kres.export.runtimes.session import opened
from kres.quantization import is_twin, observe_ranges, quantized_twin, ranges
from kres.quantized_layers import RoundedKernel
from tests.families import small
from tests.test_quantization import images_for, lively


def residual(name, **changes):
    """A block a stage of a row's kind, that ends in logits: a softmax makes many steps of one in them."""
    keras.utils.set_random_seed(0)
    spec = small(name)
    spec = replace(spec, depths=(1,) * len(spec.depths), input_size=16 if spec.stem == "cifar" else 32, **changes)
    return lively(kres.build(spec, classifier_activation=None))


def mobile():
    keras.utils.set_random_seed(0)
    return lively(keras.applications.MobileNetV2((32, 32, 3), weights=None, classes=5, alpha=0.35))


NETWORKS = {
    "residual": lambda: residual("cifar_resnet20"),
    "grouped": lambda: residual("cifar_resnext29_8x64d"),
    "attention": lambda: residual("cifar_resnet20", attention="se"),
    "channel attention": lambda: residual("cifar_resnet20", attention="eca"),
    "strides first": lambda: residual("keras_resnet50"),
    "preactivation": lambda: residual("cifar_resnetv2_110"),
    "keras.applications": mobile,
}


def interpreter(path):
    from ai_edge_litert.interpreter import Interpreter

    made = Interpreter(str(path), num_threads=1)
    made.allocate_tensors()
    return made


def steps_apart(path, twin, images):
    """By how many steps of the output a file and its twin differ (n, classes)."""
    file = interpreter(path)
    (source,), (target,) = file.get_input_details(), file.get_output_details()
    (scale, zero), (out_scale, out_zero) = source["quantization"], target["quantization"]
    answers = []
    for image in images:
        file.set_tensor(source["index"], np.clip(np.round(image[None] / scale) + zero, -128, 127).astype(np.int8))
        file.invoke()
        answers.append(file.get_tensor(target["index"])[0].astype(int))
    return np.abs(np.stack(answers) - np.round(np.asarray(twin(images)) / out_scale + out_zero))


def written(model, path, *, io="int8", **options):
    twin = quantized_twin(model, **options)
    observe_ranges(twin, [images_for(model)])
    formats.int8(twin, path, Options(io=io))
    return twin


@pytest.mark.parametrize("name", NETWORKS)
def test_the_file_computes_in_integers_what_the_twin_does(name, tmp_path):
    """To one step of the output: of exact sums both make the same, and where float32 rounds one to the other side of a
    half, it is one step of one activation, seldom."""
    model = NETWORKS[name]()
    path = tmp_path / "model.tflite"
    twin = written(model, path)
    file = interpreter(path)
    operations = file._get_ops_details()
    kinds = {file._get_tensor_details(index, 0)["dtype"] for op in operations for index in op["outputs"] if index >= 0}
    assert kinds == {np.int8}
    assert not {"QUANTIZE", "DEQUANTIZE"} & {op["op_name"] for op in operations}
    assert steps_apart(path, twin, images_for(model, 6, seed=3)).max() <= 1


def test_a_residual_network_is_one_partition(tmp_path):
    path = tmp_path / "model.tflite"
    written(residual("resnet50"), path)
    assert [op["op_name"] for op in interpreter(path)._get_ops_details()].count("DELEGATE") == 1


def test_four_bit_kernels_are_int8_on_a_coarser_grid(model, tmp_path):
    path = tmp_path / "model.tflite"
    twin = written(model, path, weight_bits=4)
    assert steps_apart(path, twin, images_for(model, 6, seed=3)).max() <= 1
    file = interpreter(path)
    kernels = [
        file.get_tensor(op["inputs"][1])
        for op in file._get_ops_details()
        if op["op_name"] in ("CONV_2D", "FULLY_CONNECTED")
    ]
    assert len(kernels) == 8
    assert all(kernel.dtype == np.int8 and np.abs(kernel).max() == 7 for kernel in kernels)


def test_layers_kept_in_float_are(model, tmp_path):
    path = tmp_path / "model.tflite"
    written(model, path, keep_float=["block1_1_conv"])
    file = interpreter(path)
    float_kernels = [
        tuple(file._get_tensor_details(op["inputs"][1], 0)["shape"])
        for op in file._get_ops_details()
        if op["op_name"] == "CONV_2D" and file._get_tensor_details(op["inputs"][1], 0)["dtype"] == np.float32
    ]
    assert float_kernels == [(16, 3, 3, 16)]
    assert inspect(path).operators["QUANTIZE"] == inspect(path).operators["DEQUANTIZE"] == 1


def test_a_twin_needs_no_calibration_images(model, images, tmp_path):
    twin = quantized_twin(model)
    observe_ranges(twin, [images])
    report = export.tflite(twin, tmp_path / "m.tflite", quantization="int8", io="uint8", images=images, pixels=False)
    assert report.passed and report.format == "int8" and report.agreement == 1
    reports = export.export_all(twin, tmp_path, ["saved_model", "int8"], expected=export.reference(twin, images))
    assert [report.passed for report in reports] == [True, True]


def test_the_twin_of_the_options_takes_the_place_of_images(model, images, tmp_path):
    twin = quantized_twin(model)
    observe_ranges(twin, [images])
    formats.int8(twin, tmp_path / "twin.tflite", Options())
    formats.int8(model, tmp_path / "model.tflite", Options(quantized=Quantized(twin=twin, kept_float=(), layers=())))
    assert is_twin(twin) and not is_twin(model)
    assert (tmp_path / "twin.tflite").read_bytes() == (tmp_path / "model.tflite").read_bytes()


def test_what_a_twin_cannot_be_is_refused(model, tmp_path):
    twin = quantized_twin(model)
    with pytest.raises(ValueError, match=r"exported as saved_model or int8\. Received: 'float16'"):
        export.tflite(twin, tmp_path / "m.tflite", quantization="float16")
    with pytest.raises(ValueError, match="needs a range for each activation"):
        formats.int8(twin, tmp_path / "m.tflite", Options())
    assert not list(tmp_path.iterdir())


def test_kernels_halfway_between_two_steps_are_rounded_once(build_net, images, tmp_path):
    """The converter rounds by itself what the twin rounds; a value that is half a step must go the same way in both."""
    twin = quantized_twin(build_net(activation=None), weight_bits=4)
    rng = np.random.default_rng(0)
    for layer in twin.layers:
        if isinstance(layer, RoundedKernel):
            halves = rng.integers(-6, 6, layer.kernel.shape) + 0.5 + rng.uniform(-1e-5, 1e-5, layer.kernel.shape)
            halves.reshape(-1, halves.shape[-1])[0] = 7  # the largest, which makes the step
            layer.kernel.assign(rng.uniform(0.01, 0.03, halves.shape[-1]) * halves)
    observe_ranges(twin, [images])
    before = twin.get_weights()
    expected = np.asarray(twin(images))
    path = tmp_path / "m.tflite"
    export.tflite(twin, path, quantization="int8", images=images)
    with opened(path) as session:
        found = np.stack([session.answer(image) for image in images])
    low, high = ranges(twin)["predictions"]
    assert np.abs(found - expected).max() <= 2.01 * (high - low) / 255
    for own, other in zip(twin.get_weights(), before, strict=True):
        np.testing.assert_array_equal(own, other)
