import numpy as np
import pytest
import tensorflow as tf

from kres.training.augmentation import Numbers, policies
from kres.training.settings import Augmentation

# Cubuk et al. 2020, section 3; Müller and Hutter 2021, section 3.
OPERATIONS = (
    "identity autocontrast equalize rotate solarize color posterize contrast brightness sharpness "
    "shear_x shear_y translate_x translate_y"
).split()


def _ranges(space):
    return {name: (row.low, row.high, row.signed) for name, row in space.items() if (row.low, row.high) != (0, 0)}


def test_the_spaces_hold_the_papers_operations():
    assert sorted(policies.NARROW) == sorted(policies.WIDE) == sorted(OPERATIONS)
    assert sorted(policies.AUTOAUGMENT) == sorted([*OPERATIONS, "invert"])


def test_the_ranges_are_the_published_ones():
    enhance = ("brightness", "color", "contrast", "sharpness")
    assert _ranges(policies.NARROW) == {
        **dict.fromkeys(("shear_x", "shear_y"), (0, 0.3, True)),
        **dict.fromkeys(("translate_x", "translate_y"), (0, 150 / 331, True)),
        **dict.fromkeys(enhance, (0, 0.9, True)),
        "rotate": (0, 30, True),
        "posterize": (8, 4, False),
        "solarize": (255, 0, False),
    }
    assert _ranges(policies.WIDE) == {
        **dict.fromkeys(("shear_x", "shear_y"), (0, 0.99, True)),
        **dict.fromkeys(("translate_x", "translate_y"), (0, 32, True)),
        **dict.fromkeys(enhance, (0, 0.99, True)),
        "rotate": (0, 135, True),
        "posterize": (8, 2, False),
        "solarize": (255, 0, False),
    }


def test_autoaugment_has_25_pairs_of_known_operations():
    assert len(policies.IMAGENET_PAIRS) == 25
    for pair in policies.IMAGENET_PAIRS:
        for name, probability, level in pair:
            assert name in policies.AUTOAUGMENT and 0 <= probability <= 1 and level in range(10)


@pytest.fixture
def seen(monkeypatch):
    """Every operation that a policy asks for, as (name, magnitude, negated, applied), instead of its result."""
    calls = []

    def note(image, space, kinds, magnitudes, negated, applied):
        names = list(space)
        parts = (part.numpy() for part in (kinds, magnitudes, negated, applied))
        calls.append([(names[kind], *rest) for kind, *rest in zip(*parts, strict=True)])
        return image

    monkeypatch.setattr(policies, "_apply", note)
    return calls


def _run(name, count, **options):
    augmentation = Augmentation(crop="none", policy=name, **options)
    image = tf.zeros((4, 4, 3), tf.uint8)
    for position in range(count):
        policies.POLICIES[name](image, Numbers(0, tf.constant(position, tf.int64)), augmentation)


def test_randaugment_draws_each_operation_alike_at_its_magnitude(seen):
    _run("randaugment", 700, policy_magnitude=7, policy_magnitude_std=0.5, policy_probability=0.5)
    assert {len(call) for call in seen} == {2}
    names, magnitudes, negated, applied = zip(*(row for call in seen for row in call), strict=True)
    counts = np.unique(names, return_counts=True)[1]
    assert len(counts) == 14 and np.abs(counts - 100).max() < 50  # a standard deviation of 10
    assert np.mean(magnitudes) == pytest.approx(0.7, abs=0.01)
    assert np.std(magnitudes) == pytest.approx(0.05, abs=0.005)
    assert np.mean(negated) == pytest.approx(0.5, abs=0.07)
    assert np.mean(applied) == pytest.approx(0.5, abs=0.07)


def test_randaugment_goes_on_beyond_its_ranges_but_not_by_noise(seen):
    """Magnitude 15 of ResNet-RS is half as much again, as in tensorflow/models, where noise ends at 10."""
    _run("randaugment", 20, policy_magnitude=15)
    assert {float(magnitude) for call in seen for _, magnitude, *_ in call} == {1.5}
    seen.clear()
    _run("randaugment", 200, policy_magnitude=9.5, policy_magnitude_std=2)
    magnitudes = [float(magnitude) for call in seen for _, magnitude, *_ in call]
    assert max(magnitudes) == 1 and sum(magnitude == 1 for magnitude in magnitudes) > 100


def _value(name, magnitude, *, negated=False):
    return float(policies.NARROW[name].value(tf.constant(magnitude), negated=tf.constant(negated)))


def test_a_value_beyond_its_range_stays_what_the_operation_is():
    assert _value("rotate", 1.5) == 45 and _value("rotate", 1.5, negated=True) == -45
    assert _value("shear_x", 1.5) == pytest.approx(0.45)
    # 1 + 1.35 strengthens; 1 - 1.35 would show a negative, which is why timm ends at a tenth of the contrast.
    assert _value("contrast", 1.5) == pytest.approx(1.35)
    assert _value("contrast", 1.5, negated=True) == pytest.approx(-0.9)
    assert _value("posterize", 1.5) == 2 and _value("posterize", 3.0) == 1  # PIL's fewest bits
    assert _value("solarize", 3.0) == 0


def test_trivialaugment_draws_one_operation_and_one_of_31_levels(seen):
    _run("trivialaugment", 900)
    names, magnitudes, _, applied = zip(*(row for (row,) in seen), strict=True)
    assert len(set(names)) == 14 and all(applied)
    np.testing.assert_allclose(np.unique(magnitudes), np.arange(31) / 30, atol=1e-6)


def test_autoaugment_draws_a_pair_with_its_probabilities(seen):
    _run("autoaugment", 1000)
    pairs = {tuple((name, round(level / 9, 3)) for name, _, level in pair) for pair in policies.IMAGENET_PAIRS}
    found = [tuple((name, round(float(magnitude), 3)) for name, magnitude, _, _ in call) for call in seen]
    assert set(found) == pairs
    certain = [call[1][3] for call in seen if (call[0][0], call[1][0]) == ("invert", "equalize")]
    likely = [call[0][3] for call in seen if (call[0][0], call[1][0]) == ("invert", "equalize")]
    assert all(certain) and 0.35 < np.mean(likely) < 0.85


@pytest.mark.parametrize("name", policies.POLICIES)
def test_a_policy_gives_one_image_the_same_every_time_and_others_another(name):
    augmentation = Augmentation(crop="none", policy=name)
    image = tf.constant(np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8))

    @tf.function(autograph=False)
    def run(position):
        return policies.POLICIES[name](image, Numbers(3, position), augmentation)

    found = [run(tf.constant(position, tf.int64)).numpy() for position in (*range(12), 0)]
    np.testing.assert_array_equal(found[0], found[-1])
    assert len({array.tobytes() for array in found}) > 6
    assert all(array.dtype == np.uint8 and array.shape == (16, 16, 3) for array in found)


def test_operations_run_in_turn_and_only_where_they_are_applied():
    image = tf.constant(np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8))
    names = list(policies.AUTOAUGMENT)

    def run(*applied):
        return policies._apply(
            image,
            policies.AUTOAUGMENT,
            tf.constant([names.index("invert"), names.index("posterize")]),
            tf.constant([0.0, 1.0]),
            tf.constant([True, True]),
            tf.constant(applied),
        ).numpy()

    np.testing.assert_array_equal(run(False, False), image)
    np.testing.assert_array_equal(run(True, False), 255 - image.numpy())
    np.testing.assert_array_equal(run(True, True), (255 - image.numpy()) & 0b11110000)
