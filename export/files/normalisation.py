"""How grey levels of an RGB image become an artifact's input, as its metadata tell it."""

from dataclasses import dataclass

from kres.preprocessing import Preprocess


@dataclass(frozen=True, kw_only=True)
class Normalisation:
    """The input is `(grey - mean) / std` of grey levels 0..255, one value for all channels or one a channel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    order: str = "rgb"
    """Channel order of the input, and of `mean` and `std`."""

    @classmethod
    def of(cls, preprocess: Preprocess) -> "Normalisation":
        """What `preprocess` does to grey levels."""
        pairs = [(255 * mean, 255 * std) for mean, std in zip(preprocess.mean, preprocess.std, strict=True)]
        mean, std = zip(*(pairs[:1] if len(set(pairs)) == 1 else pairs), strict=True)
        return cls(mean=mean, std=std, order=preprocess.order)

    @property
    def raw(self) -> bool:
        """Whether the input is the grey levels themselves."""
        return set(self.mean) == {0} and set(self.std) == {1}

    @property
    def uniform(self) -> bool:
        """Whether all channels are treated alike."""
        return len(self.mean) == len(self.std) == 1 and self.order == "rgb"

    @property
    def low(self) -> float:
        """The least value of an input."""
        return min((0 - mean) / std for mean, std in zip(self.mean, self.std, strict=True))

    @property
    def high(self) -> float:
        """The greatest value of an input."""
        return max((255 - mean) / std for mean, std in zip(self.mean, self.std, strict=True))

    def __str__(self) -> str:
        if self.raw:
            return "RGB grey levels 0..255, as they are."
        mean, std = (" ".join(f"{value:.6g}" for value in values) for values in (self.mean, self.std))
        return f"{self.order.upper()} grey levels 0..255, minus mean {mean}, divided by standard deviation {std}."


RAW = Normalisation(mean=(0.0,), std=(1.0,))
