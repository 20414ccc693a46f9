"""Spec: the value that says what a residual network is."""

from collections.abc import Iterable
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
_CONV_ROLES = frozenset({"stem_conv", "conv1", "conv2", "conv3", "shortcut_conv"})


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
    pre-activation branch ends in a convolution: there its kernel is. A plain net has no such branch, and keeps its
    ones: at zero nothing of it could ever learn."""
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
            object.__setattr__(self, name, _stages(name, getattr(self, name)))
        if len(self.depths) != len(self.widths):
            raise ValueError(
                "`depths` and `widths` of a Spec name the same stages. "
                f"Received: depths={self.depths}, widths={self.widths}"
            )
        for name in ("groups", "group_width", "classes", "input_size"):
            if not _is_count(getattr(self, name)):
                raise ValueError(
                    f"`{name}` of a Spec is an integer of at least 1. Received: {name}={getattr(self, name)!r}"
                )
        if not _CONV_ROLES.issuperset(self.conv_bias):
            raise ValueError(
                f"`conv_bias` of a Spec lists some of {sorted(_CONV_ROLES)}. Received: conv_bias={self.conv_bias!r}"
            )
        object.__setattr__(self, "conv_bias", tuple(self.conv_bias))
        if self.norm_epsilon < 0 or not 0 <= self.norm_momentum <= 1:
            raise ValueError(
                "`norm_epsilon` of a Spec is at least 0, `norm_momentum` a share. "
                f"Received: norm_epsilon={self.norm_epsilon!r}, norm_momentum={self.norm_momentum!r}"
            )
        self._check_combinations()

    def _check_combinations(self) -> None:
        if self.shortcut == "none" and self.order != "postactivation":
            raise ValueError(f"A plain net is post-activation. Received: shortcut='none', order={self.order!r}")
        if self.block == "basic" and (self.groups, self.group_width) != (1, 64):
            raise ValueError(
                "`groups` and `group_width` set the 3x3 of a bottleneck; a basic block has none. "
                f"Received: block='basic', groups={self.groups}, group_width={self.group_width}"
            )

    @property
    def stride(self) -> int:
        """Pixels of the input, along an edge, to one position of the last map."""
        return (4 if self.stem == "imagenet" else 1) * 2 ** (len(self.depths) - 1)

    def to_dict(self) -> dict[str, object]:
        """The fields as JSON holds them; `Spec(**...)` turns them back."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _stages(name: str, value: object) -> tuple[int, ...]:
    """`value` as a tuple of positive integers, one a stage."""
    stages = tuple(value) if isinstance(value, Iterable) else ()
    if not stages or not all(_is_count(n) for n in stages):
        raise ValueError(f"`{name}` of a Spec holds one positive integer a stage. Received: {name}={value!r}")
    return stages
