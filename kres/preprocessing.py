"""What happens to pixels before a network sees them: the values, and the arithmetic on an array."""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import keras


@dataclass(frozen=True, kw_only=True)
class Preprocess:
    """How an image of 0..255 becomes a network's input.

    Resize the shorter side to `size / crop`, cut the central `size` by `size`, scale to 0..1, subtract `mean`, divide
    by `std`. Calling it does the arithmetic on pixels that already have their size.

    Raises:
        ValueError: a field holds a value that no image can go through.
    """

    size: int
    """Height and width of the network's input, in pixels."""
    crop: float = 1.0
    """Share of the resized image's shorter side that the centre crop keeps (timm's `crop_pct`)."""
    mean: tuple[float, ...]
    """A channel's mean, of pixels in 0..1, in `order`."""
    std: tuple[float, ...]
    """A channel's standard deviation, of pixels in 0..1, in `order`."""
    interpolation: str = "bilinear"
    """`bilinear`, `bicubic` or `nearest`, antialiased."""
    order: str = "rgb"
    """Channel order that the network wants; images come as RGB."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", tuple(self.mean))
        object.__setattr__(self, "std", tuple(self.std))
        if not isinstance(self.size, int) or self.size < 1:
            raise ValueError(f"`size` is an integer of at least 1 pixel. Received: size={self.size!r}")
        if not 0 < self.crop <= 1:
            raise ValueError(f"`crop` is a share above 0 and at most 1. Received: crop={self.crop!r}")
        finite = all(math.isfinite(value) for value in (*self.mean, *self.std))
        if not finite or len(self.mean) != len(self.std) or not all(s > 0 for s in self.std):
            raise ValueError(
                "`mean` and `std` hold one value a channel, finite, `std` above 0. "
                f"Received: mean={self.mean!r}, std={self.std!r}"
            )
        if self.interpolation not in ("bilinear", "bicubic", "nearest"):
            raise ValueError(
                f"`interpolation` is 'bilinear', 'bicubic' or 'nearest'. Received: interpolation={self.interpolation!r}"
            )
        if self.order not in ("rgb", "bgr"):
            raise ValueError(f"`order` is 'rgb' or 'bgr'. Received: order={self.order!r}")

    def __call__(self, images: Any) -> Any:
        """Pixels (..., h, w, c) of 0..255, an array or a tensor, normalised: float32 of the same shape.

        Raises:
            ValueError: the images have another number of channels than `mean`.
        """
        images = keras.ops.cast(images, "float32")
        # A tensor of tf.data may not know its shape yet.
        if images.shape and images.shape[-1] not in (None, len(self.mean)):
            raise ValueError(
                f"Images have {len(self.mean)} channels, as `mean` has. Received: images of shape {images.shape}"
            )
        if self.order == "bgr":
            images = keras.ops.flip(images, axis=-1)
        scale = [1.0 / (255.0 * s) for s in self.std]
        offset = [-m / s for m, s in zip(self.mean, self.std, strict=True)]
        return images * keras.ops.array(scale, "float32") + keras.ops.array(offset, "float32")

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON holds them; `Preprocess(**...)` turns them back."""
        return asdict(self)

    def for_channels(self, channels: int) -> "Preprocess":
        """The same for images of that many channels: where that is another number, each gets the average value."""
        count = len(self.mean)
        if channels == count:
            return self
        mean, std = ((sum(values) / count,) * channels for values in (self.mean, self.std))
        return replace(self, mean=mean, std=std, order="rgb")


_CAFFE_MEAN = (103.939 / 255, 116.779 / 255, 123.68 / 255)

PRESETS: dict[str, dict[str, Any]] = {
    "torch": {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225), "crop": 0.875},
    "caffe": {"mean": _CAFFE_MEAN, "std": (1 / 255, 1 / 255, 1 / 255), "crop": 0.875, "order": "bgr"},
    "tf": {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5), "crop": 0.875},
    "cifar": {"mean": (0.4914, 0.4822, 0.4465), "std": (0.2470, 0.2435, 0.2616), "interpolation": "bicubic"},
}
