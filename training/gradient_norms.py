"""Gradient norms a stage: where in a network training has its strength, and where it explodes or dies away."""

from collections.abc import Sequence

import keras
import tensorflow as tf


def stages_of(variables: Sequence[keras.Variable]) -> dict[str, list[int]]:
    """Which of the variables are those of `stem`, `stage1`, ... and `head`, all that follows; layers' names tell.

    Parts without a variable, as those that are frozen, are not in it.
    """
    places: dict[str, list[int]] = {}
    for place, variable in enumerate(variables):
        part = variable.path.split("/")[-2].partition("_")[0]
        places.setdefault(part if part.startswith(("stem", "stage")) else "head", []).append(place)
    return places


def stage_norms(gradients: Sequence[tf.Tensor], stages: dict[str, list[int]]) -> dict[str, tf.Tensor]:
    """The L2 norm () of each stage's gradient, in float32; sum the gradients over the replicas before."""
    return {
        stage: tf.linalg.global_norm([tf.cast(gradients[place], tf.float32) for place in places])
        for stage, places in stages.items()
    }
