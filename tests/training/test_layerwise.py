"""Responses and gradients a layer, against the same networks computed in NumPy in float64."""

import keras
import numpy as np
import pytest

import kres
from kres.specs import Spec
from kres.training import layer_gradients, layer_responses
from kres.training.layerwise import BATCH

PLAIN = Spec(block="basic", depths=(1,), widths=(2,), stem="cifar", shortcut="none")
NAMES = ["stem_conv1", "stage1_block1_conv1", "stage1_block1_conv2"]
LABELS = np.arange(4) % 3


def images(count: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(count, 4, 5, 3)).astype("float32")


def network(spec: Spec, activation: str = "softmax") -> kres.ResNet:
    """Every weight at random, as after a training: variances above zero, gammas and betas as they come."""
    model = kres.build(spec, classes=3, input_shape=(4, 5, 3), classifier_activation=activation)
    draw = np.random.default_rng(0)
    values = {"moving_variance": lambda shape: draw.uniform(0.5, 2.0, shape)}
    for weight in model.weights:
        weight.assign(values.get(weight.name, lambda shape: draw.normal(0.2, 0.6, shape))(weight.shape))
    return model


def convolve(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """3x3, stride 1, zero padding."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    return np.einsum("nhwcij,ijco->nhwo", windows, kernel)


class Reference:
    """The layers of a network by name, on the weights that it has now."""

    def __init__(self, model: keras.Model, *, training: bool) -> None:
        self.weights = {layer.name: [w.numpy().astype(float) for w in layer.weights] for layer in model.layers}
        self.training = training
        self.epsilon = model.spec.norm_epsilon

    def conv(self, x: np.ndarray, name: str) -> np.ndarray:
        return convolve(x, self.weights[name][0])

    def norm(self, x: np.ndarray, name: str) -> np.ndarray:
        gamma, beta, mean, variance = self.weights[name]
        if self.training:
            mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
        return (x - mean) / np.sqrt(variance + self.epsilon) * gamma + beta

    def plain_responses(self, x: np.ndarray) -> list[np.ndarray]:
        responses = []
        for name in NAMES:
            x = self.norm(self.conv(x, name), name.replace("conv", "norm"))
            responses.append(x)
            x = np.maximum(x, 0)
        return responses

    def loss(self, x: np.ndarray) -> float:
        kernel, bias = self.weights["predictions"]
        logits = np.maximum(self.plain_responses(x)[-1], 0).mean((1, 2)) @ kernel + bias
        return (np.log(np.exp(logits).sum(1)) - logits[np.arange(len(x)), LABELS]).mean()


def test_responses_stand_behind_the_norm_and_before_the_activation():
    """Over more images than one batch holds; float32 against float64."""
    model, inputs = network(PLAIN), images(BATCH + 5)
    expected = [response.std() for response in Reference(model, training=False).plain_responses(inputs.astype(float))]
    found = layer_responses(model, inputs)
    assert list(found) == NAMES
    assert list(found.values()) == pytest.approx(expected, rel=1e-5)


def test_responses_in_training_are_under_the_statistics_of_the_batch():
    model, inputs = network(PLAIN), images(6)
    before = model.get_weights()
    expected = [response.std() for response in Reference(model, training=True).plain_responses(inputs.astype(float))]
    assert list(layer_responses(model, inputs, training=True).values()) == pytest.approx(expected, rel=1e-5)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_responses_of_a_residual_net_are_the_branch_without_the_shortcut():
    spec = Spec(block="basic", depths=(1,), widths=(2,), stem="cifar", shortcut="zero_pad")
    plain, residual = network(PLAIN), network(spec)
    assert layer_responses(residual, images(6)) == pytest.approx(layer_responses(plain, images(6)), rel=1e-6)


def test_where_no_norm_follows_the_response_is_the_convolution():
    """A pre-activation branch: conv1 is followed by the norm before conv2, and conv2 by the sum."""
    model, inputs = (
        network(Spec(block="basic", order="preactivation", depths=(1,), widths=(2,), stem="cifar")),
        images(6),
    )
    reference = Reference(model, training=False)
    stem = reference.conv(inputs.astype(float), NAMES[0])
    first = reference.conv(np.maximum(reference.norm(stem, "stage1_block1_norm1"), 0), NAMES[1])
    middle = reference.norm(first, "stage1_block1_norm2")
    last = reference.conv(np.maximum(middle, 0), NAMES[2])
    # The stem's output is normed, but the first block's shortcut reads it too.
    expected = [reference.norm(stem, "stage1_block1_norm1").std(), middle.std(), last.std()]
    assert list(layer_responses(model, inputs).values()) == pytest.approx(expected, rel=1e-5)


def test_convolutions_of_other_sizes_are_left_out():
    model = kres.build(Spec(depths=(1, 1), widths=(4, 8), group_width=64), classes=2, input_shape=(32, 32, 3))
    found = layer_responses(model, np.ones((1, 32, 32, 3), "float32"))
    assert list(found) == ["stage1_block1_conv2", "stage2_block1_conv2"]


def test_one_convolution_is_enough():
    model = keras.Sequential([keras.Input((4, 5, 3)), keras.layers.Conv2D(2, 3, name="only")])
    inputs = images(3)
    found = layer_responses(model, inputs)
    assert found == pytest.approx({"only": np.std(convolve_without_padding(inputs, model))}, rel=1e-5)


def convolve_without_padding(inputs: np.ndarray, model: keras.Model) -> np.ndarray:
    kernel, bias = model.get_layer("only").get_weights()
    return convolve(inputs, kernel)[:, 1:-1, 1:-1] + bias


@pytest.mark.parametrize("activation", ["softmax", "linear"])
def test_gradients_are_those_of_the_loss_in_training(activation):
    """Against central differences in float64, whose own error here is about 1e-8."""
    model, inputs = network(PLAIN, activation), images(4)
    before = model.get_weights()
    found = layer_gradients(model, inputs, LABELS)
    reference = Reference(model, training=True)
    expected = [numerical_gradient(reference, name, inputs.astype(float)) for name in NAMES]
    assert list(found) == NAMES
    assert list(found.values()) == pytest.approx(expected, rel=1e-4)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def numerical_gradient(reference: Reference, name: str, inputs: np.ndarray, step: float = 1e-5) -> float:
    kernel = reference.weights[name][0]
    slopes = []
    for index in np.ndindex(kernel.shape):
        value = kernel[index]
        losses = []
        for moved in (value + step, value - step):
            kernel[index] = moved
            losses.append(reference.loss(inputs))
        kernel[index] = value
        slopes.append((losses[0] - losses[1]) / (2 * step))
    return float(np.linalg.norm(slopes))


def test_gradients_of_a_sure_network_are_not_lost():
    """A probability of the truth that float32 rounds to zero still has a gradient."""
    model = network(PLAIN)
    model.get_layer("predictions").bias.assign([0.0, 0.0, 200.0])
    assert min(layer_gradients(model, images(4), np.zeros(4, int)).values()) > 1e-3


@pytest.mark.parametrize("wrong", [np.zeros((0, 4, 5, 3)), np.zeros((4, 5, 3))])
def test_images_are_images(wrong):
    model = network(PLAIN)
    with pytest.raises(ValueError, match="images"):
        layer_responses(model, wrong)
    with pytest.raises(ValueError, match="images"):
        layer_gradients(model, wrong, LABELS)


def test_labels_pair_with_images():
    with pytest.raises(ValueError, match=r"`labels` must be \(5,\)"):
        layer_gradients(network(PLAIN), images(5), LABELS)


def test_models_that_have_no_such_layers():
    dense = keras.Sequential([keras.Input((4, 5, 3)), keras.layers.Flatten(), keras.layers.Dense(3)])
    with pytest.raises(ValueError, match="3x3"):
        layer_responses(dense, images(1))
    with pytest.raises(ValueError, match=r"kres\.build"):
        layer_gradients(dense, images(4), LABELS)
