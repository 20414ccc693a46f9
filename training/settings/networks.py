"""From a recipe's Network to what `kres.build` takes."""

from dataclasses import replace

import kres
from kres.specs import Spec
from kres.training.settings.parts import Network


def network_spec(network: Network) -> str | Spec:
    """The row's name, or its Spec at the network's depths and width.

    Groups of a convolution keep their channels, and grow or shrink in number with the width.
    """
    if network.width == 1 and not network.depths:
        return network.row
    row, width = kres.spec(network.row), network.width

    def scaled(channels: int) -> int:
        return max(round(channels * width), 1)

    groups = scaled(row.groups) if row.groups > 1 else 1
    return replace(
        row,
        depths=network.depths or row.depths,
        widths=tuple(map(scaled, row.widths)),
        stem_widths=None if row.stem_widths is None else tuple(map(scaled, row.stem_widths)),
        groups=groups,
        group_width=row.group_width if row.groups == 1 else round(row.group_width / width),
        params=None,
    )
