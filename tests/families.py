"""One small network of each kind in the zoo: the structure of a row, at depths and widths that cost milliseconds.

And a way to build any row at full size without the numbers in it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import keras

import kres
from kres.specs import Spec

# A row of each kind: what differs in structure from all the others.
REPRESENTATIVES = (
    "resnet18",
    "resnet18d",
    "resnet50",
    "resnet50c",
    "resnet50d",
    "resnet50s",
    "resnet50t",
    "resnet50_gn",
    "wide_resnet50_2",
    "resnext50_32x4d",
    "resnext50d_32x4d",
    "seresnet18",
    "seresnet50",
    "seresnext26t_32x4d",
    "senet154",
    "legacy_senet154",
    "legacy_seresnet18",
    "legacy_seresnet50",
    "ecaresnet50d",
    "ecaresnetlight",
    "resnetrs50",
    "resnetaa50d",
    "resnetblur18",
    "resnetblur50",
    "seresnextaa201d_32x8d",
    "resnetv2_18d",
    "resnetv2_50",
    "resnetv2_50d",
    "resnetv2_50d_gn",
    "resnetv2_50x1_bit",
    "keras_resnet50",
    "keras_resnet50v2",
    "keras_resnext50",
    "cifar_resnet20",
    "cifar_resnet20_b",
    "cifar_resnet20_c",
    "cifar_resnetv2_110",
    "cifar_resnetv2_164",
    "cifar_wrn_28_10",
    "cifar_resnext29_8x64d",
    "cifar_resnet110_bn_after_addition",
    "cifar_resnet164_relu_before_addition",
    "cifar_resnet164_relu_only_preactivation",
    "plainnet20",
    "plainnet34",
)


def small(name: str) -> Spec:
    """The row's Spec with at most two blocks a stage, an eighth of its channels, 5 classes and 64 or 16 pixels."""
    row = kres.spec(name)
    unit = 32 if row.norm == "group" else 8
    widths = tuple(unit * 2**stage for stage in range(len(row.depths)))
    stems = None if row.stem_widths is None else tuple(unit for _ in row.stem_widths)
    return replace(
        row,
        depths=tuple(min(depth, 2) for depth in row.depths),
        widths=widths,
        stem_widths=stems,
        # The 3x3s of a row of d channels a group at width 64 have as many a group at the small width.
        group_width=row.group_width if row.groups == 1 else 64 * 2 // unit,
        groups=min(row.groups, 4),
        classes=5,
        input_size=16 if row.stem == "cifar" else 64,
        params=None,
    )


@contextmanager
def without_values() -> Iterator[None]:
    """Networks built here have variables with shapes and without values: to be counted, not to be run.

    A quarter of the time, and none of the gigabytes.
    """
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        keras.utils.clear_session(free_memory=False)  # else Keras fills the variables at the next occasion
