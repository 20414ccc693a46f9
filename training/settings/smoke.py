"""Any recipe shrunk to seconds on a CPU, with all of its code paths."""

import math
from dataclasses import replace
from typing import Any

import kres
from kres.training.settings.conditions import unread
from kres.training.settings.parts import Augmentation, Averaging, Images, Loss, Network, Quantization, Watch
from kres.training.settings.recipe import Recipe

SIZE_PX = 32
STEM_CHANNELS = 8
IMAGES = 8
STEPS = 4


def smoke(recipe: Recipe) -> Recipe:
    """The recipe on a network of a block a stage and few channels, small images and four steps, evaluated once.

    Augmentation, optimizer, kind of schedule, loss and averaging stay as they are, so that a run of it runs the
    recipe's own code. Weights are random, and a teacher is shrunk in the same way.
    """
    # Eight different images beside their augmented copies, and divisible into parts computed one after the other.
    batch_size = IMAGES * math.lcm(recipe.augmentation.repeats, recipe.optimizer.accumulate)
    short = replace(
        recipe.with_length(STEPS, "steps"),
        network=_network(recipe.network),
        images=_images(recipe.images),
        augmentation=_augmentation(recipe.augmentation, recipe.images),
        batch_size=batch_size,
        loss=_loss(recipe.loss),
        averaging=_averaging(recipe.averaging, batch_size),
        quantization=_quantization(recipe.quantization),
        watch=Watch(log_every_steps=1, evaluate_every=STEPS, checkpoint_every_steps=STEPS),
    )
    # A warm-up keeps a step of its own.
    warmup = max(1.0, short.schedule.warmup) if recipe.schedule.warmup else 0.0
    return replace(short, schedule=replace(short.schedule, warmup=warmup))


def _network(network: Network) -> Network:
    """One block a stage and a stem of a few channels; a network of keras.applications is what it is, but untrained."""
    if network.row.startswith("keras.applications."):
        return replace(network, weights=None)
    row = kres.spec(network.row)
    width = min(1.0, STEM_CHANNELS / row.widths[0])
    return replace(network, weights=None, depths=(1,) * len(row.depths), width=width)


def _loss(loss: Loss) -> Loss:
    return replace(loss, teacher=_network(loss.teacher), untrained_teacher=True) if loss.teacher else loss


def _images(images: Images) -> Images:
    """Sizes of some 32 pixels that keep what is larger than what, and the last of several at 32."""
    phases = len(images.progressive_px)
    return replace(
        images,
        train_size_px=SIZE_PX,
        test_size_px=_sized(images.test_size_px, images),
        progressive_px=tuple(SIZE_PX // 2 + SIZE_PX // 2 * phase // phases for phase in range(phases)),
    )


def _sized(size_px: int, images: Images) -> int:
    return round(size_px * SIZE_PX / images.train_size_px)


def _augmentation(augmentation: Augmentation, images: Images) -> Augmentation:
    shortest, longest = augmentation.side_px
    sizes: dict[str, Any] = {
        "padding_px": math.ceil(augmentation.padding_px * SIZE_PX / images.train_size_px),
        "side_px": (_sized(shortest, images), _sized(longest, images)),
    }
    # Those that its way of cropping does not read stay as they are.
    return replace(augmentation, **sizes | unread(Augmentation, vars(augmentation) | sizes))


def _quantization(quantization: Quantization | None) -> Quantization | None:
    """Layers that it keeps in float32 are another network's."""
    return quantization and replace(quantization, calibration_images=IMAGES, keep_float=())


def _averaging(averaging: Averaging, batch_size: int) -> Averaging:
    return replace(averaging, ema_every_steps=1, reestimate_images=min(averaging.reestimate_images, 2 * batch_size))
