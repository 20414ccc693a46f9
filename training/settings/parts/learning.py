"""What is minimized, by which rule, and how fast."""

from dataclasses import dataclass
from typing import Annotated, Literal

from kres.training.settings.conditions import Under
from kres.training.settings.parts.base import Part
from kres.training.settings.parts.network import Network
from kres.training.settings.values import BelowOne, Bound, Count, CountOrNone, NotNegative, Positive, Share

OptimizerKind = Literal["sgd", "lars", "lamb", "adamw"]
ScheduleKind = Literal["constant", "step", "cosine", "polynomial"]
Unit = Literal["steps", "epochs"]
LossKind = Literal["softmax", "sigmoid"]

Velocity = Under("kind", ("sgd", "lars"))
Adaptive = Under("kind", ("lamb", "adamw"))
Falling = Under("kind", ("cosine", "polynomial"))
Steps = Under("kind", ("step",))
Warm = Under("warmup")
Taught = Under("teacher")


@dataclass(frozen=True, kw_only=True)
class Loss(Part):
    """What is minimized."""

    kind: LossKind = "softmax"
    """Cross-entropy over the classes, or binary cross-entropy of each (Wightman et al. 2021, section 2)."""
    label_smoothing: BelowOne = 0.0
    target_threshold: Annotated[Annotated[float, Bound(low=0, below=1)] | None, Under("kind", ("sigmoid",))] = None
    """Under `sigmoid`: targets above it count as 1, the others as 0 (timm's `bce_target_thresh`, 0.2 in Wightman et al.
    2021, where both classes of a mixed image are there); None: as they are."""
    teacher: Network | None = None
    """A trained network to learn from (Hinton et al. 2015); its own preprocessing is applied."""
    untrained_teacher: Annotated[bool, Taught] = False
    """Let a teacher without weights answer at random: for a run that only shows that everything works."""
    teacher_share: Annotated[Share, Taught] = 0.5
    """Weight of the teacher's part of the loss; the labels' part has the rest."""
    temperature: Annotated[Positive, Taught] = 1.0
    """What both networks' logits are divided by in the teacher's part, which is multiplied by its square."""


@dataclass(frozen=True, kw_only=True)
class Optimizer(Part):
    """The update rule."""

    kind: OptimizerKind
    momentum: BelowOne = 0.9
    """Also the first beta of LAMB and AdamW."""
    nesterov: Annotated[bool, Velocity] = False
    """Under SGD and LARS."""
    momentum_form: Annotated[Literal["caffe", "torch"], Velocity] = "caffe"
    """SGD and LARS: the rate inside the velocity (Caffe, Keras: He et al. 2015 and 2016) or outside (PyTorch, and Goyal
    et al. 2017 by their momentum correction: torchvision, timm, ResNeXt); they differ where the rate changes."""
    beta_2: Annotated[BelowOne, Adaptive] = 0.999
    """Of LAMB and AdamW."""
    epsilon: Annotated[Positive, Adaptive] = 1e-6
    """Of LAMB (timm: 1e-6) and AdamW (PyTorch: 1e-8)."""
    trust: Annotated[Positive, Under("kind", ("lars",))] = 0.001
    """LARS's trust coefficient (You et al. 2017)."""
    weight_decay: NotNegative = 0.0
    """SGD and LARS: L2, joined to the gradient before momentum; LAMB: inside the trust ratio; AdamW: decoupled."""
    decay_norms_and_biases: bool = False
    """Whether tensors of one dimension decay as well; under LARS and LAMB, whether they get a trust ratio too."""
    clip_norm: Positive | None = None
    """Largest global norm of the gradient (timm's LAMB: 1); None: as it comes."""
    accumulate: Count = 1
    """Parts that a batch is computed in, one after the other; their gradients make one update."""


@dataclass(frozen=True, kw_only=True)
class Schedule(Part):
    """Length of the run and its learning rate; `length`, `warmup`, `decay_at` are counted in `unit`."""

    unit: Unit
    length: Positive
    least_steps: Annotated[CountOrNone, Under("unit", ("epochs",))] = 0
    """Of a run in epochs: on few images all of it is stretched to so many steps."""
    kind: ScheduleKind
    learning_rate: Positive
    per_images: Count | None = None
    """Batch size that `learning_rate` is for: it grows linearly with the batch (Goyal et al. 2017); None: as is."""
    warmup: NotNegative = 0.0
    warmup_kind: Annotated[Literal["linear", "constant"], Warm] = "linear"
    warmup_learning_rate: Annotated[NotNegative, Warm] = 0.0
    """Where a linear warm-up starts, or what a constant one holds; scaled as `learning_rate` is."""
    decay_span: Annotated[Literal["after_warmup", "whole_run"], Falling] = "after_warmup"
    """What `cosine` and `polynomial` spread over: torchvision's convention, or timm's and the TF model garden's."""
    decay_at: Annotated[tuple[Positive, ...], Steps] = ()
    """Under `step`, counted from the start of the run."""
    decay_factor: Annotated[float, Bound(above=0, high=1), Steps] = 0.1
    """Under `step`: the rate is multiplied by the factor at each."""
    power: Annotated[Positive, Under("kind", ("polynomial",))] = 1.0
    """Under `polynomial`."""
    end_learning_rate: Annotated[NotNegative, Falling] = 0.0
    """Under `cosine` and `polynomial`; scaled as `learning_rate` is."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.warmup >= self.length:
            raise ValueError(
                f"warmup must be shorter than the run, {self.length:g} {self.unit}. Received: warmup={self.warmup:g}"
            )
        ordered = all(a < b for a, b in zip((0.0, *self.decay_at), (*self.decay_at, self.length), strict=True))
        if self.decay_at and not ordered:
            raise ValueError(
                f"decay_at must increase and lie below length={self.length:g}. Received: decay_at={self.decay_at!r}"
            )
        if self.kind == "step" and not self.decay_at:
            raise ValueError(f"kind='step' needs decay_at. Received: kind={self.kind!r}, decay_at={self.decay_at!r}")
