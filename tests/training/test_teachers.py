import keras
import numpy as np
import pytest
import tensorflow as tf

import kres
from kres.training.settings import Network
from kres.training.teachers import make_teacher


@pytest.fixture(scope="module")
def row(tmp_path_factory):
    """Weights of a small row with 7 classes, and the network."""
    keras.utils.set_random_seed(1)
    model = kres.build("cifar_resnet20", classes=7, classifier_activation=None, input_shape=(None, None, 3))
    path = tmp_path_factory.mktemp("row") / "teacher.keras"
    model.save(path)
    return model, str(path)


@pytest.fixture(scope="module")
def application(tmp_path_factory):
    """Weights of a network of keras.applications, and the network."""
    keras.utils.set_random_seed(2)
    model = keras.applications.MobileNetV2(weights=None, classifier_activation=None)
    path = tmp_path_factory.mktemp("application") / "teacher.weights.h5"
    model.save_weights(path)
    return model, str(path)


def _pixels(size):
    return np.random.default_rng(0).integers(0, 256, (2, size, size, 3)).astype(np.float32)


def test_a_row_answers_pixels_as_it_does_in_inference(row):
    model, path = row
    teach = make_teacher(Network(row="cifar_resnet20", weights=path), classes=7)
    found = tf.function(teach, autograph=False)(tf.constant(_pixels(16)))
    expected = model(model.preprocess(_pixels(16)), training=False)
    assert found.shape == (2, 7) and found.dtype == tf.float32
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)  # float32, graph against eager


def test_an_application_gets_its_own_preprocessing_and_size(application):
    model, path = application
    teach = make_teacher(Network(row="keras.applications.mobilenetv2", weights=path), classes=1000)
    preprocess = keras.applications.mobilenet_v2.preprocess_input
    np.testing.assert_allclose(
        teach(tf.constant(_pixels(224))), model(preprocess(_pixels(224)), training=False), rtol=1e-4, atol=1e-4
    )
    resized = tf.image.resize(_pixels(160), (224, 224), antialias=True)
    np.testing.assert_allclose(
        teach(tf.constant(_pixels(160))), model(preprocess(resized), training=False), rtol=1e-4, atol=1e-4
    )


def test_a_teacher_neither_trains_nor_gives_a_gradient(row):
    teach = make_teacher(Network(row="cifar_resnet20", weights=row[1]), classes=7)
    pixels = tf.Variable(_pixels(16))
    with tf.GradientTape() as tape:
        answers = teach(pixels)
    assert tape.gradient(answers, pixels) is None


@pytest.mark.parametrize("row", ["cifar_resnet20", "keras.applications.mobilenet"])
def test_an_untrained_teacher_has_the_classes_of_the_data_and_says_what_it_is(row, caplog):
    teach = make_teacher(Network(row=row), classes=7, untrained=True)
    assert teach(tf.constant(_pixels(32))).shape == (2, 7)
    assert f"the teacher, {row}, is untrained" in caplog.text


def test_no_network_is_no_teacher():
    assert make_teacher(None, classes=7) is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"row": "cifar_resnet20"}, "needs weights.*Received: weights=None"),
        ({"row": "keras.applications.ResNet51", "weights": "imagenet"}, "Closest: resnet50.*Received: 'resnet51'"),
        (
            {"row": "keras.applications.ResNet50", "weights": "imagenet", "dtype": "mixed_bfloat16"},
            "computes in float32. Received: dtype='mixed_bfloat16'",
        ),
    ],
)
def test_what_is_no_teacher_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        make_teacher(Network(**fields), classes=7)


def test_a_teacher_of_other_classes_is_refused(row):
    with pytest.raises(
        ValueError, match=r"must know the 10 classes of the data. Received: cifar_resnet20.*of 7 classes"
    ):
        make_teacher(Network(row="cifar_resnet20", weights=row[1]), classes=10)
