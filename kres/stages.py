"""Where each block of a network stands: its stage, its stride and dilation, and how often its branch is dropped."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from kres.specs import Spec

DilationRule = Literal["torchvision", "deeplab"]
DILATION_RULES: tuple[str, ...] = get_args(DilationRule)


@dataclass(frozen=True, kw_only=True)
class Place:
    """One block's place in a network."""

    stage: int
    """From 1."""
    index: int
    """In the stage, from 1."""
    last: bool
    """Whether it is the stage's last."""
    stride: int
    first_dilation: int
    """Of the convolution that strides, or would without an output stride."""
    dilation: int
    """Of the 3x3 convolutions behind that one."""
    nominal_stride: int
    """Pixels of the input to one position of the block's output if nothing were dilated."""
    drop_path: float
    """Share of the training images whose branch is left out."""

    @property
    def name(self) -> str:
        """What the names of the block's layers begin with."""
        return f"stage{self.stage}_block{self.index}"

    @property
    def out(self) -> str:
        """Name of the block's last layer."""
        return f"stage{self.stage}_out" if self.last else f"{self.name}_out"


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """How a network keeps the resolution of its maps from falling below a stride: by dilation in the strides' place."""

    output_stride: int | None = None
    """Pixels of the input to one position of the last map, at most; None for what the Spec's strides make."""
    rule: DilationRule = "torchvision"
    """`torchvision`, timm's too: the convolution whose stride is taken keeps the dilation before it, what follows gets
    the new one. `deeplab`, TensorFlow's model garden: the whole stage gets the new one."""
    multigrid: tuple[int, ...] | None = None
    """What multiplies the dilations of the last stage's blocks (Chen et al. 2017, arXiv 1706.05587, section 3.2.1)."""


def places(spec: Spec, *, resolution: Resolution, drop_path: float = 0.0) -> Iterator[Place]:
    """Each block's place, in order; `drop_path` is the last block's rate, others' fall linearly to the first one's 0.

    That decay is Huang et al. 2016, arXiv 1603.09382, equation 4, counted from 0 as timm does.
    """
    count = 0
    nominal = achieved = spec.stem_stride
    limit = resolution.output_stride or spec.stride
    dilation = 1
    for stage, depth in enumerate(spec.depths, start=1):
        strided = strided_block(spec, stage)
        for index in range(1, depth + 1):
            stride, first_dilation = (2 if index == strided else 1), dilation
            nominal *= stride
            if achieved * stride > limit:
                dilation *= stride
                stride = 1
                first_dilation = dilation if resolution.rule == "deeplab" else first_dilation
            achieved *= stride
            grid = _grid(spec, stage, index, resolution)
            yield Place(
                stage=stage,
                index=index,
                last=index == depth,
                stride=stride,
                first_dilation=first_dilation * grid,
                dilation=dilation * grid,
                nominal_stride=nominal,
                drop_path=drop_path * count / max(sum(spec.depths) - 1, 1),
            )
            count += 1


def strided_block(spec: Spec, stage: int) -> int | None:
    """The block of a stage, from 1, that strides; None where the stem strides or nothing does."""
    if spec.strided_block == "first":
        return 1 if stage > 1 else None
    return spec.depths[stage - 1] if stage < len(spec.depths) else None


def output_strides(spec: Spec) -> list[int]:
    """The output strides that a network of this Spec can have."""
    return [spec.stem_stride * 2**k for k in range(len(spec.depths))]


def _grid(spec: Spec, stage: int, index: int, resolution: Resolution) -> int:
    if resolution.multigrid is None or stage < len(spec.depths):
        return 1
    return resolution.multigrid[index - 1]
