import pytest

from kres.training.recipes import list_recipes, recipe
from kres.training.settings import Network
from kres.training.settings.overrides import apply
from kres.training.settings.smoke import smoke


def differs(name, one, other):
    return getattr(one, name) != getattr(other, name)


@pytest.mark.parametrize("name", list_recipes())
def test_a_smoke_recipe_keeps_what_the_recipe_does(name):
    whole, small = recipe(name), smoke(recipe(name))
    assert (small.schedule.unit, small.schedule.length) == ("steps", 4)
    assert len(small.schedule.decay_at) == len(whole.schedule.decay_at)
    assert (small.schedule.warmup >= 1) == (whole.schedule.warmup > 0)
    sized = {"padding_px", "side_px"}
    assert {name for name in vars(small.augmentation) if differs(name, small.augmentation, whole.augmentation)} <= sized
    assert small.optimizer == whole.optimizer
    assert (small.loss.teacher is None) == (whole.loss.teacher is None)
    assert small.loss.untrained_teacher == (small.loss.teacher is not None)
    assert {name for name in vars(small.loss) if differs(name, small.loss, whole.loss)} <= {
        "teacher",
        "untrained_teacher",
    }
    assert (small.averaging.ema_decay, small.averaging.ema_start) == (
        whole.averaging.ema_decay,
        whole.averaging.ema_start,
    )
    assert small.network.weights is None and small.batch_size <= 32
    sizes, whole_sizes = small.images, whole.images
    assert (sizes.train_size_px, sizes.test_size_px > 32) == (32, whole_sizes.test_size_px > whole_sizes.train_size_px)


def test_sizes_copies_parts_averages_and_teachers_shrink():
    changed = apply(
        recipe("resnet50_a1"),
        [
            "images.progressive_px=128,160",
            "optimizer.accumulate=2",
            "augmentation.repeats=3",
            "averaging.reestimate_images=10000",
            "loss.teacher.row=resnet152d",
            "loss.teacher.weights=gluon_in1k",
        ],
    )
    small = smoke(changed)
    assert small.images.progressive_px == (16, 24)
    assert small.batch_size == 8 * 6
    assert small.averaging.reestimate_images == 96
    assert small.loss.teacher == Network(row="resnet152d", depths=(1, 1, 1, 1), width=0.125)


def test_smoke_of_smoke_is_as_small():
    small = smoke(recipe("resnet50_torchvision_v2"))
    assert smoke(small).network == small.network
