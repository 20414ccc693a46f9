"""What every part of a recipe is."""

from kres.training.settings.conditions import check_read
from kres.training.settings.values import check_fields


class Part:
    """A part of a recipe; ValueError when a field holds what its type does not allow, or what nothing reads."""

    def __post_init__(self) -> None:
        check_fields(self)
        check_read(self)
