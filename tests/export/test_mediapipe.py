"""MediaPipe Tasks, the official API on Android, iOS and the web, opens the files and answers as `kres predict` does."""

import json

import keras
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import kres
from kres import export
from kres.cli.app import app
from kres.preprocessing import Preprocess

SIZE, TOP = 32, 5
NAMES = tuple("abcdef")
# MediaPipe stretches a picture to the input's shape and never crops: pictures have that size, and nothing is cropped.
PREPROCESS = Preprocess(size=SIZE, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
# How far two neighbours of the best classes must be apart in Keras for int8 to keep their order, and its error.
GAP, INT8 = 0.03, 0.03


def network(pixels):
    """A network whose classes' logits are spread by 1.5 over the pictures, so that it is neither sure nor clueless."""
    keras.utils.set_random_seed(1)
    spec = kres.Spec(block="basic", depths=(1, 1), widths=(16, 32), stem="cifar")
    model = kres.build(spec, classes=len(NAMES), input_shape=(SIZE, SIZE, 3), preprocess=PREPROCESS, name="small")
    head = model.layers[-1]
    features = np.asarray(keras.Model(model.inputs[0], head.input)(PREPROCESS(pixels)))
    kernel = np.random.default_rng(0).normal(size=head.kernel.shape)
    kernel *= 1.5 / (features @ kernel).std(0)
    head.set_weights([kernel, -features.mean(0) @ kernel])
    return model


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """A `.keras` file, a file of labels, artifacts, and eight pictures whose best classes are far apart."""
    directory = tmp_path_factory.mktemp("mediapipe")
    rng = np.random.default_rng(0)
    # Of one colour and some noise: networks with random weights tell colours apart.
    colours = rng.integers(0, 256, (512, 1, 1, 3))
    pixels = np.clip(colours + rng.normal(0, 20, (512, SIZE, SIZE, 3)), 0, 255).astype(np.uint8)
    model = network(pixels)
    model.save(directory / "small.keras")
    about = export.About(class_names=NAMES)
    (directory / "names.txt").write_text(about.labels)
    ordered = -np.sort(-np.asarray(model(PREPROCESS(pixels))), axis=1)
    gaps = (ordered[:, :TOP] - ordered[:, 1 : TOP + 1]).min(1)
    clearest = np.argsort(-gaps)[:8]
    assert gaps[clearest].min() > GAP
    for index in clearest:
        Image.fromarray(pixels[index]).save(directory / f"{index}.png")
    some = {"images": pixels[:64], "about": about}
    for name in ("float32", "float16", "dynamic"):
        quantization = None if name == "float32" else name
        export.tflite(model, directory / f"{name}.tflite", quantization=quantization, pixels=True, **some)
    export.tflite(model, directory / "uint8.tflite", quantization="int8", calibration=pixels[:64], io="uint8", **some)
    export.tflite(model, directory / "normalised.tflite", **some)
    return directory


@pytest.fixture(scope="module")
def predicted(workdir):
    """What `kres predict` says: the best classes and their scores, an image each."""
    pictures = [str(path) for path in sorted(workdir.glob("*.png"))]
    words = ["predict", str(workdir / "small.keras"), *pictures, "--labels", str(workdir / "names.txt"), "--json"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.exception
    return {row["image"]: row["predictions"] for row in json.loads(result.stdout)["images"]}


def classifier(path):
    from mediapipe.tasks.python import vision
    from mediapipe.tasks.python.core.base_options import BaseOptions

    options = vision.ImageClassifierOptions(base_options=BaseOptions(model_asset_path=str(path)), max_results=TOP)
    return vision.ImageClassifier.create_from_options(options)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "tolerance"),
    # Float32's differ by the order of sums; weights of 11 bits, and of 8, round some layers more.
    [("float32", 1e-5), ("float16", 5e-3), ("dynamic", INT8), ("uint8", INT8)],
)
def test_the_same_best_five_as_kres_predict(workdir, predicted, name, tolerance):
    import mediapipe

    with classifier(workdir / f"{name}.tflite") as opened:
        for path, expected in predicted.items():
            (answer,) = opened.classify(mediapipe.Image.create_from_file(path)).classifications
            found = [(category.category_name, category.score) for category in answer.categories]
            assert [label for label, _ in found] == [row["name"] for row in expected]
            np.testing.assert_allclose(
                [score for _, score in found], [row["score"] for row in expected], atol=tolerance
            )


@pytest.mark.slow
def test_a_file_that_wants_channels_normalised_apart_is_refused_as_its_description_says(workdir):
    with pytest.raises(Exception, match="Per-channel image normalization"):
        classifier(workdir / "normalised.tflite")


@pytest.mark.slow
def test_channels_normalised_alike_are_left_to_mediapipe(tmp_path):
    import mediapipe

    pixels = np.random.default_rng(0).integers(0, 256, (32, SIZE, SIZE, 3), np.uint8)
    model = network(pixels)
    alike = Preprocess(size=SIZE, mean=(0.4,) * 3, std=(0.2,) * 3)
    path = tmp_path / "alike.tflite"
    export.tflite(model, path, images=pixels, preprocess=alike, about=export.About(class_names=NAMES))
    image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=pixels[0])
    with classifier(path) as opened:
        (answer,) = opened.classify(image).classifications
    expected = np.asarray(model(alike(pixels[:1])))[0]
    for category in answer.categories:
        # The order of float32 sums, of probabilities.
        assert category.score == pytest.approx(expected[NAMES.index(category.category_name)], abs=1e-5)
