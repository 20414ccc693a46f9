"""Spec: the value that says what a residual network is."""

from dataclasses import dataclass, fields
from typing import Literal, get_args

Block = Literal["basic", "bottleneck"]
Order = Literal["postactivation", "preactivation"]
Stem = Literal["imagenet", "cifar"]
Shortcut = Literal["projection", "projection_all", "projection_or_pool", "zero_pad", "none"]
StridedBlock = Literal["first", "last"]
Preset = Literal["torch", "caffe", "tf", "cifar"]

_CHOICES: dict[str, tuple[object, ...]] = {
    "block": get_args(Block),
    "order": get_args(Order),
    "stem": get_args(Stem),
    "shortcut": get_args(Shortcut),
    "strided_block": get_args(StridedBlock),
    "preset": get_args(Preset),
    "stride_conv": (1, 2),
}


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What a network is, apart from its input, its head and its weights.

    The defaults are torchvision's ResNet "v1.5" on ImageNet. A row of the zoo is one Spec; a Spec of your own
    builds in the same way: `kres.build(dataclasses.replace(kres.spec("resnet50"), depths=(2, 2, 2, 2)))`.

    Raises:
        ValueError: a field holds a value that no network can have.
    """

    block: Block = "bottleneck"
    order: Order = "postactivation"
    """Where norm and activation stand: behind the convolutions (He et al. 2015) or before them (He et al. 2016)."""
    depths: tuple[int, ...]
    """Blocks a stage."""
    widths: tuple[int, ...] = (64, 128, 256, 512)
    """Channels of a stage; a bottleneck puts out 4 times as many, and `groups` and `group_width` set its 3x3s."""
    groups: int = 1
    """Groups of the 3x3 convolutions: the cardinality of ResNeXt (Xie et al. 2017)."""
    group_width: int = 64
    """Channels a group at width 64: the `d` of "32x4d"."""
    stem: Stem = "imagenet"
    """`imagenet`: 7x7 stride 2 and a max-pool; `cifar`: one 3x3."""
    stem_pool_zero_pad: bool = True
    """Whether the max-pool sees zeros outside the map or, as in PyTorch, nothing: the same thing after a ReLU only."""
    shortcut: Shortcut = "projection"
    """He et al. 2015, section 3.3: `zero_pad` is option A, `projection` B, `projection_all` C; `projection_or_pool`
    is keras.applications v2's, which projects where channels change and subsamples elsewhere; `none` is a plain net."""
    stride_conv: int = 2
    """The bottleneck's convolution that strides: 1 (the first 1x1: He et al. 2015) or 2 (the 3x3: "v1.5")."""
    strided_block: StridedBlock = "first"
    """The block of a stage that strides; `last` strides on the way into the next stage (keras.applications v2)."""
    first_shortcut_activated: bool = False
    """Pre-activation: a stage's first shortcut starts behind the activation even if it is an identity
    (He et al. 2016, appendix)."""
    conv_bias: tuple[str, ...] = ()
    """Roles of the convolutions that have a bias: `stem_conv`, `conv1`, `conv2`, `conv3`, `shortcut_conv`."""
    norm_epsilon: float = 1e-5
    norm_momentum: float = 0.9
    """Share of the old moving statistics that survives a step (PyTorch writes one minus it)."""
    zero_init_residual: bool = False
    """Start every residual branch at zero: the last norm's gamma is 0 (Goyal et al. 2017, section 5.1). A
    pre-activation branch ends in a convolution: there its kernel is."""
    classes: int = 1000
    """Classes of the data set that the network was published for."""
    input_size: int = 224
    """Height and width, in pixels, that the network was published for."""
    preset: Preset = "torch"
    """The row of `preprocessing.PRESETS` that images go through without a weight file's own."""
    params: int | str | None = None
    """Trainable parameters with the published head, from the source; as printed ("1.7M") where it only prints so."""

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"`{name}` of a Spec is one of {allowed}. Received: {name}={getattr(self, name)!r}")
        for name in ("depths", "widths"):
            value = getattr(self, name)
            object.__setattr__(self, name, tuple(value))
            if not value or any(not isinstance(n, int) or n < 1 for n in value):
                raise ValueError(f"`{name}` of a Spec holds one positive integer a stage. Received: {name}={value!r}")
        if len(self.depths) != len(self.widths):
            raise ValueError(
                "`depths` and `widths` of a Spec name the same stages. "
                f"Received: depths={self.depths}, widths={self.widths}"
            )
        for name in ("groups", "group_width", "classes", "input_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` of a Spec is at least 1. Received: {name}={getattr(self, name)!r}")
        object.__setattr__(self, "conv_bias", tuple(self.conv_bias))
        if self.shortcut == "none" and self.order != "postactivation":
            raise ValueError(f"A plain net is post-activation. Received: shortcut='none', order={self.order!r}")

    @property
    def stride(self) -> int:
        """Pixels of the input, along an edge, to one position of the last map."""
        return (4 if self.stem == "imagenet" else 1) * 2 ** (len(self.depths) - 1)

    def to_dict(self) -> dict[str, object]:
        """The fields as JSON holds them; `Spec(**...)` turns them back."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
