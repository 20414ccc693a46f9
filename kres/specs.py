"""Spec: the value that says what a residual network is."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from numbers import Integral, Real
from typing import Literal, get_args

Block = Literal["basic", "bottleneck"]
Order = Literal[
    "postactivation",
    "norm_after_addition",
    "activation_before_addition",
    "activation_around_addition",
    "activation_only_preactivation",
    "preactivation",
]
Stem = Literal["imagenet", "cifar"]
StemPool = Literal["max", "max_ceil", "conv"]
Shortcut = Literal["projection", "projection_first", "projection_all", "projection_or_pool", "zero_pad", "none"]
ShortcutPool = Literal["none", "avg"]
StridedBlock = Literal["first", "last"]
Antialias = Literal["none", "avg", "blur"]
Attention = Literal["none", "se", "eca"]
Norm = Literal["batch", "sync_batch", "frozen_batch", "group"]
Activation = Literal["relu", "silu", "gelu", "elu", "leaky_relu", "hard_silu", "mish"]
Preset = Literal["torch", "caffe", "tf", "cifar"]

_CHOICES: dict[str, tuple[object, ...]] = {
    "block": get_args(Block),
    "order": get_args(Order),
    "stem": get_args(Stem),
    "stem_pool": get_args(StemPool),
    "shortcut": get_args(Shortcut),
    "shortcut_pool": get_args(ShortcutPool),
    "shortcut_kernel": (1, 3),
    "strided_block": get_args(StridedBlock),
    "stride_conv": (1, 2),
    "antialias": get_args(Antialias),
    "attention": get_args(Attention),
    "norm": get_args(Norm),
    "activation": get_args(Activation),
    "preset": get_args(Preset),
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
    """Where norm and activation stand: He et al. 2016, figure 4 (a) to (e), of which (a) is He et al. 2015's, and
    `activation_around_addition`, (a) and (c) at once."""
    depths: tuple[int, ...]
    """Blocks a stage."""
    widths: tuple[int, ...] = (64, 128, 256, 512)
    """Channels of a stage; a bottleneck puts out 4 times as many, and `groups` and `group_width` set its 3x3s."""
    groups: int = 1
    """Groups of the 3x3 convolutions: the cardinality of ResNeXt (Xie et al. 2017)."""
    group_width: int = 64
    """Channels a group at width 64: the `d` of "32x4d", and 128 in the wide nets."""
    reduce_first: int = 1
    """What a branch's first convolution divides its channels by: 2 in SENet-154 (Hu et al. 2018)."""
    stem: Stem = "imagenet"
    """`imagenet`: stride 2 and a pool of stride 2; `cifar`: full resolution and no pool."""
    stem_widths: tuple[int, ...] | None = None
    """Channels of the stem's convolutions; None is one of the first stage's width. On ImageNet one is a 7x7, more are
    3x3s: the "deep" stem of He et al. 2018, table 4 (C)."""
    stem_pool: StemPool = "max"
    """A 3x3 max-pool with a row more before and behind, or only behind (`max_ceil`: Caffe's); or a 3x3 convolution of
    stride 2 with norm and activation (Bello et al. 2021, section 4.3)."""
    stem_pool_zero_pad: bool = False
    """Whether the max-pool sees zeros outside the map or, as in PyTorch, nothing: the same thing after a ReLU only."""
    shortcut: Shortcut = "projection"
    """He et al. 2015, section 3.3: `zero_pad` is option A, `projection` B, `projection_all` C; `projection_first` is B
    and each stage's first block whatever its shape (KerasHub's ResNet-vd 18 and 34); `projection_or_pool` is
    keras.applications v2's, which projects where channels change and subsamples elsewhere; `none` is a plain net."""
    shortcut_pool: ShortcutPool = "none"
    """`avg`: a projection averages 2x2 and does not stride itself (He et al. 2018, figure 2c: ResNet-D)."""
    shortcut_kernel: int = 1
    """Kernel size of the projections that stride: 3 in SENet-154."""
    stride_conv: int = 2
    """The bottleneck's convolution that strides: 1 (the first 1x1: He et al. 2015) or 2 (the 3x3: "v1.5")."""
    strided_block: StridedBlock = "first"
    """The block of a stage that strides; `last` strides on the way into the next stage (keras.applications v2)."""
    antialias: Antialias = "none"
    """What strides in the place of the 3x3 and of the stem's max-pool: `avg` a 2x2 average, `blur` a 1-2-1 filter
    (Zhang 2019), as in timm's resnetaa and resnetblur."""
    attention: Attention = "none"
    """At the end of each branch: `se` squeeze-and-excitation (Hu et al. 2018), `eca` (Wang et al. 2020)."""
    se_ratio: float = 1 / 16
    """Channels between the two layers of `se` as a share of the branch's."""
    se_multiple: int = 8
    """What those channels are rounded to a multiple of."""
    block_dropout: float = 0.0
    """Rate of the dropout before a branch's last convolution (Zagoruyko & Komodakis 2016, section 2.4)."""
    first_shortcut_activated: bool = False
    """Pre-activation: a stage's first shortcut starts behind the activation even if it is an identity
    (He et al. 2016, appendix)."""
    conv_bias: tuple[str, ...] = ()
    """Roles of the convolutions that have a bias: `stem_conv`, `conv1`, `conv2`, `conv3`, `shortcut_conv`."""
    weight_standardization: float | None = None
    """Epsilon under the root where each kernel is standardized (Qiao et al. 2019); None: kernels as they are."""
    activation: Activation = "relu"
    norm: Norm = "batch"
    """`sync_batch`: statistics over all replicas; `frozen_batch`: always the moving ones, never trained; `group`: 32
    groups of channels (Wu & He 2018), or as many as divide 32 and the channels."""
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
        for name in ("depths", "widths", *(() if self.stem_widths is None else ("stem_widths",))):
            object.__setattr__(self, name, _counts(name, getattr(self, name)))
        if len(self.depths) != len(self.widths):
            raise ValueError(
                "`depths` and `widths` of a Spec name the same stages. "
                f"Received: depths={self.depths}, widths={self.widths}"
            )
        for name in ("stem_pool_zero_pad", "first_shortcut_activated", "zero_init_residual"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"`{name}` of a Spec is True or False. Received: {name}={getattr(self, name)!r}")
        for name in ("groups", "group_width", "reduce_first", "se_multiple", "classes", "input_size"):
            if not is_count(getattr(self, name)):
                raise ValueError(
                    f"`{name}` of a Spec is an integer of at least 1. Received: {name}={getattr(self, name)!r}"
                )
            object.__setattr__(self, name, int(getattr(self, name)))
        if not isinstance(self.conv_bias, Iterable) or not _CONV_ROLES.issuperset(self.conv_bias):
            raise ValueError(
                f"`conv_bias` of a Spec lists some of {sorted(_CONV_ROLES)}. Received: conv_bias={self.conv_bias!r}"
            )
        object.__setattr__(self, "conv_bias", tuple(self.conv_bias))
        if not (_is_epsilon(self.norm_epsilon) and _is_epsilon(self.weight_standardization or 0.0)):
            raise ValueError(
                "`norm_epsilon` and `weight_standardization` of a Spec are at least 0, or the second None. Received: "
                f"norm_epsilon={self.norm_epsilon!r}, weight_standardization={self.weight_standardization!r}"
            )
        shares = (self.norm_momentum, self.se_ratio, self.block_dropout)
        if not all(map(_is_share, shares)) or self.se_ratio == 0 or self.block_dropout == 1:
            raise ValueError(
                "`norm_momentum`, `se_ratio` (above 0) and `block_dropout` (below 1) of a Spec are shares. Received: "
                f"norm_momentum={self.norm_momentum!r}, se_ratio={self.se_ratio!r}, "
                f"block_dropout={self.block_dropout!r}"
            )
        self._check_combinations()

    def _check_combinations(self) -> None:
        if self.shortcut == "none" and self.order != "postactivation":
            raise ValueError(f"A plain net is post-activation. Received: shortcut='none', order={self.order!r}")
        if self.antialias != "none" and self.stride_conv == 1:
            raise ValueError(
                "`antialias` takes the place of a 3x3's stride, so `stride_conv` is 2. "
                f"Received: antialias={self.antialias!r}, stride_conv=1"
            )
        if self.stem_pool == "max_ceil" and (self.activation, self.antialias) != ("relu", "none"):
            raise ValueError(
                "`stem_pool='max_ceil'` pads with zeros, so a ReLU stands before it, and no filter takes its place. "
                f"Received: activation={self.activation!r}, antialias={self.antialias!r}"
            )
        if self.norm == "frozen_batch" and self.zero_init_residual:
            raise ValueError(
                "A frozen norm that starts at zero stays there, and its branch with it. "
                "Received: norm='frozen_batch', zero_init_residual=True"
            )
        if min(self.widths) < self.reduce_first or (
            self.block == "bottleneck" and min(self.inner_widths) < self.reduce_first
        ):
            raise ValueError(
                "Each convolution of a Spec has a channel at least. Received: "
                f"widths={self.widths}, group_width={self.group_width}, reduce_first={self.reduce_first}"
            )
        if self.block == "basic" and (self.groups, self.group_width) != (1, 64):
            raise ValueError(
                "`groups` and `group_width` set the 3x3 of a bottleneck; a basic block has none. "
                f"Received: block='basic', groups={self.groups}, group_width={self.group_width}"
            )

    @property
    def inner_widths(self) -> tuple[int, ...]:
        """Channels of a stage's bottlenecks' 3x3s: Xie et al. 2017, figure 3c."""
        return tuple(width * self.group_width // 64 * self.groups for width in self.widths)

    @property
    def stem_stride(self) -> int:
        """Pixels of the input, along an edge, to one position of the first stage's maps."""
        return 4 if self.stem == "imagenet" else 1

    @property
    def stride(self) -> int:
        """Pixels of the input, along an edge, to one position of the last map."""
        return self.stem_stride * 2 ** (len(self.depths) - 1)

    @property
    def grouped(self) -> bool:
        """Whether its 3x3 convolutions have groups."""
        return self.groups > 1

    @property
    def stem_depth(self) -> int:
        """Convolutions of the stem, the pool's not counted."""
        return len(self.stem_widths or (0,))

    def to_dict(self) -> dict[str, object]:
        """The fields as JSON holds them; `Spec(**...)` turns them back."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def is_count(value: object) -> bool:
    """Whether `value` is an integer of at least 1: Python's or, as `labels.max() + 1` gives, NumPy's."""
    return not isinstance(value, bool) and isinstance(value, Integral) and int(value) >= 1


def _is_share(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real) and 0 <= float(value) <= 1


def _is_epsilon(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real) and 0 <= float(value) < math.inf


def _counts(name: str, value: object) -> tuple[int, ...]:
    """`value` as a tuple of positive integers."""
    counts = tuple(value) if isinstance(value, Iterable) else ()
    if not counts or not all(is_count(n) for n in counts):
        raise ValueError(f"`{name}` of a Spec holds positive integers, one at least. Received: {name}={value!r}")
    return tuple(int(n) for n in counts)
