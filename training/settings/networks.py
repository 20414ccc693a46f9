"""The zoo's row that a recipe's network names, at the recipe's depths and width."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import kres
from kres.specs import Spec

if TYPE_CHECKING:
    from kres.training.settings.parts import Network


def network_spec(network: "Network") -> str | Spec:
    """What `kres.build` takes: the row's name where the recipe changes nothing (weights know it by that), else a Spec.

    `width` multiplies the channels of stem and stages. Where 3x3 convolutions have groups, it multiplies the number of
    groups, and a group keeps its channels.

    Raises:
        ValueError: the zoo has no such row, or the row another number of stages than `depths`.
    """
    row = kres.spec(network.row)
    if not network.depths and network.width == 1:
        return network.row
    if network.depths and len(network.depths) != len(row.depths):
        raise ValueError(
            f"depths must hold a number of blocks for each of the {len(row.depths)} stages of {network.row}. "
            f"Received: depths={network.depths!r}"
        )
    widths = _scaled(row.widths, network.width)
    groups, group_width = _groups(row, widths[0], network.width)
    return replace(
        row,
        depths=network.depths or row.depths,
        widths=widths,
        stem_widths=None if row.stem_widths is None else _scaled(row.stem_widths, network.width),
        groups=groups,
        group_width=group_width,
        params=None,
    )


def _scaled(channels: tuple[int, ...], width: float) -> tuple[int, ...]:
    return tuple(max(1, round(count * width)) for count in channels)


def _groups(row: Spec, first_width: int, width: float) -> tuple[int, int]:
    """`groups` (two at least: it stays a grouped network), and the `group_width` that keeps the channels of a group."""
    if not row.grouped:
        return row.groups, row.group_width
    channels = row.widths[0] * row.group_width // 64
    return max(2, round(row.groups * width)), math.ceil(channels * 64 / first_width)
