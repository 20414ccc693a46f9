"""The stages that gradient norms are told of: where training has its strength, and where it explodes or dies away."""

from collections.abc import Sequence

import keras


def stages_of(variables: Sequence[keras.Variable]) -> dict[str, list[int]]:
    """Which of the variables are those of `stem`, `stage1`, ... and `head`, all that follows; layers' names tell.

    Parts without a variable, as those that are frozen, are not in it.
    """
    places: dict[str, list[int]] = {}
    for place, variable in enumerate(variables):
        part = variable.path.split("/")[-2].partition("_")[0]
        places.setdefault(part if part.startswith(("stem", "stage")) else "head", []).append(place)
    return places
