"""What happens to pixels before a network sees them: the values, and the arithmetic, for arrays, layers and tf.data."""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from numbers import Real
from typing import Any

import keras

from kres.resampling import KERNELS, Ops, Tensor, resize_and_crop, tensorflow_ops


@dataclass(frozen=True, kw_only=True)
class Preprocess:
    """How an image of 0..255 becomes a network's input.

    Resize the shorter side to `size / crop` (rounded down), cut the central `size` by `size`, scale to 0..1, subtract
    `mean`, divide by `std`: what timm and torchvision evaluate with, PIL's grey levels included. `image_to_input` does
    all of it inside tf.data, a `PreprocessLayer` inside a model, with the same bits. Calling it does the arithmetic
    alone, on pixels that already have their size.

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
    """`bilinear` or `bicubic`, antialiased, as PIL's; or `nearest`, which differs from PIL's where a sample falls
    exactly between two pixels."""
    order: str = "rgb"
    """Channel order that the network wants; images come as RGB."""

    def __post_init__(self) -> None:
        for name in ("mean", "std"):
            values = getattr(self, name)
            values = tuple(values) if isinstance(values, Iterable) else (values,)
            if not values or not all(isinstance(value, Real) for value in values):
                raise ValueError(f"`{name}` holds one number a channel. Received: {name}={getattr(self, name)!r}")
            object.__setattr__(self, name, values)
        if isinstance(self.size, bool) or not isinstance(self.size, int) or self.size < 1:
            raise ValueError(f"`size` is an integer of at least 1 pixel. Received: size={self.size!r}")
        if not isinstance(self.crop, (int, float)) or not 0 < self.crop <= 1:
            raise ValueError(f"`crop` is a share above 0 and at most 1. Received: crop={self.crop!r}")
        finite = all(math.isfinite(value) for value in (*self.mean, *self.std))
        if not finite or len(self.mean) != len(self.std) or not all(s > 0 for s in self.std):
            raise ValueError(
                "`mean` and `std` hold one value a channel, finite, `std` above 0. "
                f"Received: mean={self.mean!r}, std={self.std!r}"
            )
        if self.interpolation not in KERNELS:
            raise ValueError(
                f"`interpolation` is 'bilinear', 'bicubic' or 'nearest'. Received: interpolation={self.interpolation!r}"
            )
        if self.order not in ("rgb", "bgr"):
            raise ValueError(f"`order` is 'rgb' or 'bgr'. Received: order={self.order!r}")

    @property
    def shorter_side(self) -> int:
        """Pixels that the shorter side is resized to before the crop."""
        return math.floor(self.size / self.crop)

    def __call__(self, images: Any) -> Any:
        """Pixels (..., h, w, c) of 0..255, an array or a tensor, normalised: float32 of the same shape.

        Raises:
            ValueError: the images have another number of channels than `mean`.
        """
        return self._normalise(images, keras.ops)

    def image_to_input(self, image: Any) -> Any:
        """An image (h, w, c) of any size, resized, cropped and normalised: (s, s, c) float32; for `tf.data`'s `map`.

        It runs in TensorFlow whatever Keras's backend is. Pixels are uint8, or floats of 0..255 that are rounded, as
        PIL's images are.

        Raises:
            ValueError: another type, another number of channels than `mean`, or an image without pixels.
        """
        return self._normalise(self.image_to_square(image), tensorflow_ops())

    def image_to_square(self, image: Any) -> Any:
        """The first part of `image_to_input`: resized and cropped to (s, s, c) uint8, not yet normalised."""
        import tensorflow as tf

        image = tf.convert_to_tensor(image)
        if image.shape.rank is not None:
            self._check(image, layout="(h, w, c)")
        image = tf.ensure_shape(image, (None, None, len(self.mean)))  # what the graph does not know yet
        return self._resize(image[None], tensorflow_ops())[0]

    def _check(self, images: Tensor, *, layout: str) -> None:
        """ValueError for images that no resize and no normalisation can take."""
        dtype = keras.backend.standardize_dtype(images.dtype)
        shape, channels = tuple(images.shape), len(self.mean)
        if dtype != "uint8" and not keras.backend.is_float_dtype(dtype):
            raise ValueError(f"Pixels are uint8, or floats of 0..255. Received: images of dtype {dtype}")
        if len(shape) != layout.count(",") + 1 or shape[-1] not in (None, channels) or 0 in shape[-3:-1]:
            raise ValueError(
                f"Images are {layout} with at least one pixel and {channels} channels, as `mean` has. "
                f"Received: images of shape {shape}"
            )

    def _resize(self, images: Tensor, ops: Ops) -> Tensor:
        """Checked images (n, h, w, c) of any size -> (n, s, s, c) uint8."""
        if keras.backend.standardize_dtype(images.dtype) != "uint8":
            images = ops.clip(ops.round(ops.cast(images, "float32")), 0.0, 255.0)
        return resize_and_crop(
            images, shorter=self.shorter_side, size=self.size, interpolation=self.interpolation, ops=ops
        )

    def _normalise(self, images: Tensor, ops: Ops) -> Tensor:
        images = ops.cast(images, "float32")
        # A tensor of tf.data may not know its shape yet.
        if images.shape and images.shape[-1] not in (None, len(self.mean)):
            raise ValueError(
                f"Images have {len(self.mean)} channels, as `mean` has. Received: images of shape {images.shape}"
            )
        if self.order == "bgr":
            images = ops.flip(images, axis=-1)
        middle = ops.cast([255 * mean for mean in self.mean], "float32")
        scale = ops.cast([1 / (255 * std) for std in self.std], "float32")
        # In this order a compiler finds no product to fuse with a sum, which would round once where others round twice.
        return (images - middle) * scale

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


@keras.saving.register_keras_serializable(package="kres")
class PreprocessLayer(keras.layers.Layer):
    """A `Preprocess` to put before a network: images (n, h, w, c) of any size in, its inputs (n, s, s, c) out.

    It computes what `Preprocess.image_to_input` does, on each of Keras's backends, and is saved with the model.

    Raises:
        ValueError: not a Preprocess, or images of another type than uint8 or floats or of other channels than it has.
    """

    def __init__(self, preprocess: Preprocess, **kwargs: Any) -> None:
        # Half precision does not hold 256 grey levels and what the resize makes of them.
        super().__init__(autocast=False, **kwargs)
        if not isinstance(preprocess, Preprocess):
            raise ValueError(f"`preprocess` is a kres.Preprocess. Received: preprocess={preprocess!r}")
        self.preprocess = preprocess

    def call(self, inputs: Tensor) -> Tensor:
        """Resize, crop and normalise."""
        preprocess = self.preprocess
        preprocess._check(inputs, layout="(n, h, w, c)")
        outputs = preprocess._normalise(preprocess._resize(inputs, keras.ops), keras.ops)
        return keras.ops.cast(outputs, self.compute_dtype)

    def compute_output_spec(self, inputs: Tensor) -> keras.KerasTensor:
        """Of images whose height and width may be unknown, which `call` could not take outside TensorFlow."""
        self.preprocess._check(inputs, layout="(n, h, w, c)")
        size, channels = self.preprocess.size, len(self.preprocess.mean)
        return keras.KerasTensor((inputs.shape[0], size, size, channels), dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments, as JSON holds them."""
        return {**super().get_config(), "preprocess": self.preprocess.to_dict()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "PreprocessLayer":
        """The layer of `get_config`."""
        return cls(**{**config, "preprocess": Preprocess(**config["preprocess"])})
