from kres.training.memory import memory_estimate
from kres.training.recipes import recipe
from kres.training.settings.overrides import apply

DIGITS = recipe("digits_resnet20")


def test_weights_and_what_is_kept_beside_them():
    """ResNet-20 has 269,722 weights that train and, for each of its 688 normed channels, two moving statistics."""
    plain = memory_estimate(DIGITS, classes=10)
    assert plain.weights == 4 * (269_722 + 2 * 688)
    assert (plain.gradients, plain.optimizer, plain.average) == (4 * 269_722, 4 * 269_722, 0)
    more = memory_estimate(apply(DIGITS, ["optimizer.kind=lamb", "averaging.ema_decay=0.9"]), classes=10)
    assert (more.optimizer, more.average) == (2 * plain.optimizer, plain.weights)
    assert more.total == more.weights + more.gradients + more.optimizer + more.average + more.activations


def test_activations_grow_with_batch_size_and_pixels():
    def activations(*changes: str) -> int:
        return memory_estimate(apply(DIGITS, changes), classes=10).activations

    whole = activations()
    assert activations("batch_size=128") == 2 * whole
    assert activations("optimizer.accumulate=4") * 4 == whole
    assert activations("network.dtype=mixed_bfloat16") * 2 == whole
    assert 3.9 < activations("images.train_size_px=64") / whole < 4.1
