"""Quantization-aware training: from a float run to a model whose int8 file needs no calibration."""

import os
import shutil
import signal
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

import kres
from kres.export import formats, runner
from kres.export.formats import Options
from kres.quantization import check_ranges, is_twin, observe_ranges, quantized_twin, ranges
from kres.training import Interrupted, data, evaluate, fit, load_model, loop, recipe, starting_from
from kres.training.data import evaluation_images, sample_images
from kres.training.models import with_softmax
from kres.training.objective import make_objective
from kres.training.plan import plan
from kres.training.settings import Quantization, Recipe
from kres.training.settings.overrides import apply
from kres.training.state import State
from tests.cli.processes import kres as command
from tests.training.tiny import tiny_recipe, tiny_source


def quantizing(**options):
    """The tiny recipe, a block a stage, with a moving average."""
    tiny = tiny_recipe()
    return replace(
        tiny,
        network=replace(tiny.network, depths=(1, 1, 1), width=0.5),
        averaging=replace(tiny.averaging, ema_decay=0.5),
        quantization=Quantization(calibration_images=8, **options),
    )


@pytest.fixture(scope="module")
def float_run(tmp_path_factory):
    """A finished float run of the same network."""
    workdir = tmp_path_factory.mktemp("runs") / "float"
    fit(replace(quantizing(), quantization=None), data=tiny_source(), workdir=workdir)
    return workdir


@pytest.fixture(scope="module")
def qat_run(float_run, tmp_path_factory):
    """A finished run from there, of 4-bit kernels and ranges that learn."""
    workdir = tmp_path_factory.mktemp("runs") / "qat"
    fit(_from(float_run), data=tiny_source(), workdir=workdir)
    return workdir


def _from(float_run):
    return starting_from(quantizing(ranges="learned", weight_bits=4), float_run)


def test_a_run_trains_a_twin(qat_run, tmp_path):
    model = load_model(qat_run)
    assert is_twin(model) and model.quantization == {"weight_bits": 4, "keep_float": [], "range_updates": "learned"}
    check_ranges(model)
    assert np.asarray(model(np.zeros((1, 8, 8, 3), "float32"))).sum() == pytest.approx(1, abs=0.02)
    # Its newest checkpoint holds the same, ranges and their averages among it.
    shutil.copytree(qat_run, tmp_path / "run")
    (tmp_path / "run" / "model.keras").unlink()
    again = load_model(tmp_path / "run")
    assert ranges(again) == ranges(model)
    for own, other in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(own, other)


def test_training_begins_at_the_float_weights_and_its_images_ranges(float_run):
    chosen = starting_from(quantizing(), float_run)
    trained = load_model(float_run)
    state = State(plan(chosen, 20), classes=3)
    expected = quantized_twin(trained)
    images = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype("float32")
    for model in (state.model, expected):
        observe_ranges(model, [images])
    np.testing.assert_array_equal(with_softmax(state.model, chosen)(images), expected(images))


def test_the_moving_average_begins_at_the_images_ranges(float_run, tmp_path):
    chosen = _from(float_run)
    chosen = replace(chosen, averaging=replace(chosen.averaging, ema_decay=0.999999))
    result = fit(chosen, data=tiny_source(), workdir=tmp_path / "run")
    # A decay of almost one keeps the first ranges: they are the images', and not the zeros that they were made of.
    assert result.steps > 0
    check_ranges(load_model(tmp_path / "run"))
    assert all(high - low > 1e-2 for low, high in ranges(load_model(tmp_path / "run")).values())


def test_a_stopped_run_goes_on_with_its_ranges(float_run, qat_run, tmp_path, monkeypatch):
    """They are of the model, and so of its checkpoint; they are not observed again."""
    due = loop.Loop._due

    def ending_after_two_steps(self, every):
        if self.step == 2 and every == self.plan.evaluate_every_steps:
            os.kill(os.getpid(), signal.SIGTERM)
        return due(self, every)

    monkeypatch.setattr(loop.Loop, "_due", ending_after_two_steps)
    with pytest.raises(Interrupted):
        fit(_from(float_run), data=tiny_source(), workdir=tmp_path / "run")
    monkeypatch.undo()
    monkeypatch.setattr(loop, "observe_ranges", lambda *_: pytest.fail("observed again"))
    fit(_from(float_run), data=tiny_source(), workdir=tmp_path / "run", resume=True)
    found, expected = (load_model(workdir).get_weights() for workdir in (tmp_path / "run", qat_run))
    for own, other in zip(found, expected, strict=True):
        # Without determinism sums may be taken in another order.
        np.testing.assert_allclose(own, other, rtol=1e-4, atol=1e-5)


def test_what_does_not_go_with_quantization_is_refused(float_run, tmp_path):
    chosen = quantizing()
    for change in ("network.norm=group", "network.dtype=mixed_bfloat16", "averaging.reestimate_images=8"):
        with pytest.raises(ValueError, match="with quantization"):
            apply(chosen, [change])
    with pytest.raises(ValueError, match="weight_bits must be one of 4, 8"):
        apply(chosen, ["quantization.weight_bits=3"])
    with pytest.raises(FileNotFoundError, match="no such checkpoint"):
        starting_from(chosen, tmp_path / "nothing")
    quantized_twin(load_model(float_run)).save(tmp_path / "twin.keras")
    with pytest.raises(ValueError, match="float network"):
        starting_from(chosen, tmp_path / "twin.keras")
    keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(2)]).save(tmp_path / "other.keras")
    with pytest.raises(ValueError, match="row of the zoo"):
        starting_from(chosen, tmp_path / "other.keras")
    (tmp_path / "run").mkdir()
    shutil.copy(float_run / "run.json", tmp_path / "run")
    with pytest.raises(ValueError, match="must have ended"):
        starting_from(chosen, tmp_path / "run")


def test_a_network_that_takes_blue_first_is_fed_so(float_run, tmp_path):
    """As keras.applications' own do. It loses what the same network with its stem in the other order loses, on images
    with an erased box too, which is filled with the mean."""
    network = load_model(float_run)
    kernel = network.get_layer("stem_conv1").kernel
    kernel.assign(kernel[:, :, ::-1])
    network.preprocess = replace(network.preprocess, order="bgr")
    shutil.copytree(float_run, tmp_path / "bgr")
    network.save(tmp_path / "bgr" / "model.keras")
    rng = np.random.default_rng(0)
    batch = [
        tf.constant(rng.integers(0, 256, (4, 8, 8, 3), np.uint8)),
        tf.constant([0, 1, 2, 0]),
        tf.constant([[1.0, 2.0, 3.0, 4.0]] * 4),
    ]
    losses = {}
    for start, mean in ((float_run, (0.2, 0.3, 0.4)), (tmp_path / "bgr", (0.4, 0.3, 0.2))):
        chosen = starting_from(replace(quantizing(), quantization=None), start)
        chosen = replace(chosen, augmentation=replace(chosen.augmentation, erase=1.0))
        chosen = replace(chosen, images=replace(chosen.images, mean=mean))
        model = State(plan(chosen, 20), classes=3).model
        losses[model.preprocess.order] = make_objective(chosen, model, classes=3)(*batch)[0]
    # Channels are summed in another order.
    np.testing.assert_allclose(losses["bgr"], losses["rgb"], rtol=1e-5)


def test_a_network_of_grey_images_is_refused(tmp_path):
    kres.build("cifar_resnet20", input_shape=(8, 8, 1), classes=10).save(tmp_path / "grey.keras")
    with pytest.raises(ValueError, match=r"colour images.*Received: one of 1 channel"):
        starting_from(quantizing(), tmp_path / "grey.keras")


# SGD, because Adam's step is as large for a gradient that is a rounding error. float32 sums in another order put an
# activation in 100,000 on the other side of a half, which moves it by 1/255 of its range; in ten steps of a momentum of
# 0.99 a replica's own extremes would part from the whole batch's by 1e-2 of the range.
CHANGES = ["optimizer.kind=sgd", "optimizer.momentum=0.9", "schedule.learning_rate=0.001", "batch_size=8"]


@pytest.fixture(scope="module")
def one_process(float_run, tmp_path_factory):
    """What ten steps on digits make of the network in one process."""
    workdir = tmp_path_factory.mktemp("runs") / "one"
    chosen = apply(starting_from(recipe("qat"), float_run).with_length(10, "steps"), CHANGES)
    fit(chosen, data="digits", workdir=workdir)
    return load_model(workdir)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "after"),
    [([], ["--devices", "2"]), (["launch", "--workers", "2", "--"], [])],
    ids=["mirrored", "workers"],
)
def test_replicas_have_the_ranges_of_one_process(before, after, float_run, one_process, tmp_path):
    changes = [word for change in CHANGES for word in ("--set", change)]
    run = ["train", "digits", "--qat", "--init", str(float_run), "--steps", "10", "--workdir", str(tmp_path / "run")]
    command(*before, *run, *changes, *after)
    model = load_model(tmp_path / "run")
    for name, (low, high) in ranges(one_process).items():
        np.testing.assert_allclose(ranges(model)[name], (low, high), atol=1e-3 * (high - low), err_msg=name)
    for found, expected in zip(model.get_weights(), one_process.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_a_recipe_of_an_earlier_version_is_one_of_floating_point_on_rgb():
    stored = tiny_recipe().to_dict()
    del stored["quantization"], stored["images"]["order"]
    assert Recipe.from_dict(stored) == tiny_recipe()


@pytest.mark.slow
def test_it_recovers_what_quantization_after_training_loses(tmp_path):
    """In the int8 files themselves, of a ResNet of 4 channels on digits: one of the channels in each block is 128 times
    as large as the others, at whose steps int8 knows the others hardly; and without those in kernels of 4 bits."""
    source = data.load("digits")
    small = ["network.width=0.25", "network.depths=1,1,1", "images.train_size_px=16", "images.test_size_px=16"]
    base = apply(recipe("digits_resnet20").with_length(300), [*small, "watch.evaluate_every=300"])
    fit(base, data=source, workdir=tmp_path / "even")
    shutil.copytree(tmp_path / "even", tmp_path / "uneven")
    _unbalanced(load_model(tmp_path / "even"), 128).save(tmp_path / "uneven" / "model.keras")
    for start, bits in (("even", 4), ("uneven", 8)):
        model = load_model(tmp_path / start)
        accuracy = evaluate(model, source).accuracy
        after = quantized_twin(model, weight_bits=bits)
        observe_ranges(after, [sample_images(source, model.preprocess, count=256)[0]])
        loss = accuracy - _accuracy_of_file(after, source, tmp_path / "after.tflite")
        assert loss > 0.01
        changes = [f"quantization.weight_bits={bits}", "watch.evaluate_every=100", "schedule.learning_rate=1e-3"]
        chosen = apply(starting_from(recipe("qat"), tmp_path / start).with_length(100), changes)
        fit(chosen, data=source, workdir=tmp_path / f"{start}-qat")
        trained = load_model(tmp_path / f"{start}-qat")
        assert accuracy - _accuracy_of_file(trained, source, tmp_path / "trained.tflite") <= loss / 2


def _accuracy_of_file(twin, source, path):
    """Of the twin's int8 file, in the interpreter."""
    formats.int8(twin, path, Options())
    answer, _ = runner.open_tflite(str(path), 1, "ai_edge_litert")
    right = [
        np.argmax(answer(np.asarray(image)[None])[0]) == label
        for images, labels in evaluation_images(source, twin.preprocess)
        for image, label in zip(images, labels, strict=True)
    ]
    assert len(right) == 599
    return float(np.mean(right))


def _unbalanced(model, factor):
    """The same function, with the first channel within each block `factor` times as large."""
    for layer in model.layers:
        if layer.name.startswith("stage") and layer.name.endswith("_norm1"):
            factors = np.ones(layer.gamma.shape[0], "float32")
            factors[0] = factor
            layer.gamma.assign(layer.gamma * factors)
            layer.beta.assign(layer.beta * factors)
            behind = model.get_layer(layer.name.replace("norm1", "conv2"))
            behind.kernel.assign(behind.kernel / factors[:, None])
    return model
