"""A user's own `fit` on two worker processes, against the same in one."""

import keras
import numpy as np
import pytest

import kres
from tests.own_fit import compiled, results
from tests.training.distribution.processes import Workers

WORKER = """
import numpy as np
import tensorflow as tf
from tests.own_fit import IMAGES, LABELS, compiled, results

strategy = tf.distribute.MultiWorkerMirroredStrategy()
with strategy.scope():
    model = compiled()
np.savez(f"{folder}/{strategy.cluster_resolver.task_id}.npz", **results(model))
none, labels = IMAGES[:0], LABELS[:0]
for call in (
    lambda: model.predict_on_batch(none),
    lambda: model.test_on_batch(none, labels),
    lambda: model.train_on_batch(none, labels),
):
    try:
        call()
    except tf.errors.InvalidArgumentError as error:
        assert "Each batch has an image for each replica" in str(error), error
        print("refused", flush=True)
with strategy.scope():
    model = compiled(steps_per_execution=2)
try:
    model.fit(IMAGES, LABELS)
except ValueError as error:
    print(error, flush=True)
"""


@pytest.mark.slow
def test_two_workers_fit_evaluate_and_predict_as_one_process(tmp_path):
    with Workers(f"folder = {str(tmp_path)!r}\n" + WORKER, tmp_path) as workers:
        codes = [workers.end(index) for index in range(2)]
    assert codes == [0, 0], workers.texts()
    expected = results(compiled())
    for worker in range(2):
        assert workers.text(worker).count("refused") == 3
        assert "Received: steps_per_execution=2" in workers.text(worker)
        with np.load(tmp_path / f"{worker}.npz") as found:
            assert found.keys() == expected.keys()
            for name, value in expected.items():
                # Loss, metrics and the classifier's input are rounded to float32 by Keras.
                np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-5, err_msg=name)


IMAGES = np.random.default_rng(0).random((7, 32, 32, 3), dtype="float32")


@pytest.fixture(scope="module")
def model():
    return kres.build("cifar_resnet20", input_shape=(32, 32, 3))


@pytest.mark.parametrize(
    "images",
    [IMAGES, IMAGES.astype("float64"), (255 * IMAGES).astype("uint8"), IMAGES[:3], pytest.param(None, id="tensor")],
    ids=lambda images: f"{images.dtype}-{len(images)}",
)
def test_predict_of_images_in_memory_is_keras_own(model, images):
    images = keras.ops.convert_to_tensor(IMAGES) if images is None else images
    expected = keras.Model.predict(model, images, batch_size=3, verbose=0)
    np.testing.assert_array_equal(model.predict(images, 3, 0), expected)
    np.testing.assert_array_equal(model.predict(images, batch_size=3, verbose=0, steps=1), expected[:3])


def test_predict_feeds_on_what_is_not_in_memory_as_keras_does(model):
    import tensorflow as tf

    batches = tf.data.Dataset.from_tensor_slices(IMAGES).batch(4)
    np.testing.assert_array_equal(model.predict(batches, verbose=0), model.predict(IMAGES, batch_size=4, verbose=0))


def test_predict_of_no_image_is_refused(model):
    with pytest.raises(ValueError, match="at least one image"):
        model.predict(IMAGES[:0])


def test_predict_of_images_in_memory_is_not_tuned(model, monkeypatch):
    fed = []
    monkeypatch.setattr(keras.Model, "predict", lambda self, x, *rest: fed.append(x))
    model.predict(IMAGES)
    assert not fed[0].options().autotune.enabled
    assert len(fed[0]) == 1
