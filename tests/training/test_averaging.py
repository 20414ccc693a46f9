import keras
import numpy as np
import pytest
import tensorflow as tf

import kres
from kres.normalization import BatchNormalization, FrozenBatchNormalization
from kres.training.averaging import MovingAverage, make_average, reestimate_norms
from kres.training.settings import Averaging
from tests.training.replicas import on_two_replicas


def _network(drop=0.2):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    x = inputs
    for name in ("first", "second"):
        x = keras.layers.Conv2D(5, 3, name=f"{name}_conv")(x)
        x = BatchNormalization(name=f"{name}_norm", momentum=0.99)(x)
        x = keras.layers.Dropout(drop, seed=1)(keras.layers.ReLU()(x))
    return keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(x)))


def _moved(model, rng):
    model.set_weights([value + rng.normal(size=value.shape).astype(value.dtype) for value in model.get_weights()])


def _decay(number, decay, *, ramp=False):
    return min(decay, (1 + number) / (10 + number)) if ramp else decay


@pytest.mark.parametrize(
    ("averaging", "warmup"),
    [
        (Averaging(ema_decay=0.9), 3),
        (Averaging(ema_decay=0.8, ema_every_steps=3), 3),
        (Averaging(ema_decay=0.9, ema_start="ramp", ema_every_steps=2), 3),
        (Averaging(ema_decay=0.9, ema_start="after_warmup"), 3),
    ],
)
def test_the_average_equals_numpy_norm_statistics_and_all(averaging, warmup):
    model, rng = _network(), np.random.default_rng(0)
    average = make_average(averaging, model, warmup_steps=warmup)
    update = tf.function(average.update, autograph=False)
    expected = [value.astype(np.float64) for value in model.get_weights()]
    ramp = averaging.ema_start == "ramp"
    for call in range(1, 11):
        _moved(model, rng)
        update()
        if call % averaging.ema_every_steps == 0:
            decay = _decay(call // averaging.ema_every_steps - 1, averaging.ema_decay, ramp=ramp)
            if averaging.ema_start == "after_warmup" and call <= warmup:
                decay = 0.0
            pairs = zip(expected, model.get_weights(), strict=True)
            expected = [old + (1 - decay) * (new - old) for old, new in pairs]
    last = model.get_weights()
    with average.applied():
        for weight, found, value in zip(model.weights, model.get_weights(), expected, strict=True):
            np.testing.assert_allclose(found, value, rtol=1e-5, atol=1e-5, err_msg=weight.path)  # float32
        names = {weight.name for weight in model.weights}
        assert {"moving_mean", "moving_variance", "kernel", "gamma"} <= names
    for found, value in zip(model.get_weights(), last, strict=True):
        np.testing.assert_array_equal(found, value)


def test_without_decay_there_is_no_average():
    assert make_average(Averaging(), _network(), warmup_steps=0) is None


def test_weights_come_back_after_an_error_and_the_averages_stay():
    model = _network()
    average = MovingAverage(model, decay=0.5)
    _moved(model, np.random.default_rng(1))
    average.update()
    last, averages = model.get_weights(), [value.numpy() for value in average.averages]
    with pytest.raises(RuntimeError, match="disk"), average.applied():
        raise RuntimeError("disk")
    for found, value in zip(model.get_weights(), last, strict=True):
        np.testing.assert_array_equal(found, value)
    for found, value in zip(average.averages, averages, strict=True):
        np.testing.assert_array_equal(found.numpy(), value)


def test_a_checkpoint_holds_the_average(tmp_path):
    model = _network()
    average = MovingAverage(model, decay=0.5, every=2)
    _moved(model, np.random.default_rng(1))
    for _ in range(3):
        average.update()
    path = tf.train.Checkpoint(model=model, average=average).write(str(tmp_path / "checkpoint"))
    other = _network()
    restored = MovingAverage(other, decay=0.5, every=2)
    tf.train.Checkpoint(model=other, average=restored).read(path).assert_consumed()
    assert int(restored.calls) == 3
    for found, value in zip(restored.averages, average.averages, strict=True):
        np.testing.assert_array_equal(found.numpy(), value.numpy())


@pytest.mark.slow
def test_two_replicas_average_alike():
    on_two_replicas("""
        from kres.training.averaging import MovingAverage

        with strategy.scope():
            model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2), keras.layers.BatchNormalization()])
            average = MovingAverage(model, decay=0.5, every=2)
        step = tf.function(lambda: strategy.run(average.update), autograph=False)
        expected = [value.astype(np.float64) for value in model.get_weights()]
        for number in range(4):
            model.set_weights([value + number for value in model.get_weights()])
            step()
            if number % 2:
                expected = [0.5 * (old + new) for old, new in zip(expected, model.get_weights())]
        last = model.get_weights()
        with average.applied():
            for weight, value in zip(model.weights, expected, strict=True):
                for found in strategy.experimental_local_results(weight.value):
                    np.testing.assert_allclose(found.numpy(), value, rtol=1e-6)
        for found, value in zip(model.get_weights(), last):
            np.testing.assert_array_equal(found, value)
        """)


def _batches(sizes=(8, 8, 4)):
    rng = np.random.default_rng(0)
    return [rng.normal(size=(size, 8, 8, 3)).astype(np.float32) * (1 + size) for size in sizes]


def test_statistics_taken_anew_are_those_of_one_big_batch():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(5, 3, name="conv")(inputs)
    x = BatchNormalization(name="norm", momentum=0.99)(x)
    x = FrozenBatchNormalization(name="frozen")(x)
    model = keras.Model(inputs, keras.layers.Dropout(0.5, seed=1)(x))
    before = {variable.path: variable.numpy() for variable in model.variables}
    batches = _batches()
    assert reestimate_norms(model, batches) == 20
    maps = model.get_layer("conv")(np.concatenate(batches)).numpy().astype(np.float64)
    norm = model.get_layer("norm")
    # float32 convolutions
    np.testing.assert_allclose(norm.moving_mean.numpy(), maps.mean(axis=(0, 1, 2)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(norm.moving_variance.numpy(), maps.var(axis=(0, 1, 2)), rtol=1e-4)
    assert norm.momentum == 0.99
    changed = {v.path for v in model.variables if not np.array_equal(v.numpy(), before[v.path])}
    assert changed == {"norm/moving_mean", "norm/moving_variance"}


def test_a_network_computes_as_in_training_on_the_batch_itself():
    model, (batch,) = _network(drop=0.0), _batches((16,))
    reestimate_norms(model, [batch])
    inference, training = (model(batch, training=training).numpy() for training in (False, True))
    np.testing.assert_allclose(inference, training, rtol=1e-4, atol=1e-4)  # float32


@pytest.mark.parametrize(
    ("model", "batches", "message"),
    [
        (_network, [], "at least one batch. Received: none"),
        (lambda: kres.build("cifar_resnet20", norm="group", input_shape=(8, 8, 3)), _batches(), "without batch norms"),
    ],
)
def test_nothing_to_take_statistics_of_is_refused(model, batches, message):
    with pytest.raises(ValueError, match=message):
        reestimate_norms(model(), batches)
