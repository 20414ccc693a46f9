"""The parts of a recipe: plain typed values, each field with its unit and its source."""

from dataclasses import dataclass
from typing import Annotated, Literal

from kres.training.settings.conditions import Under, check_read
from kres.training.settings.networks import network_spec
from kres.training.settings.values import (
    BelowOne,
    Bound,
    Count,
    CountOrNone,
    NotNegative,
    Positive,
    Share,
    check_fields,
)
from kres.weights import check_source

Dtype = Literal["float32", "float64", "mixed_bfloat16", "mixed_float16"]
Interpolation = Literal["bilinear", "bicubic", "nearest"]
Crop = Literal["none", "pad", "random_area", "random_side"]
Policy = Literal["none", "randaugment", "trivialaugment", "autoaugment"]
OptimizerKind = Literal["sgd", "lars", "lamb", "adamw"]
ScheduleKind = Literal["constant", "step", "cosine", "polynomial"]
Unit = Literal["steps", "epochs"]
LossKind = Literal["softmax", "sigmoid"]

RandomArea = Under("crop", ("random_area",))
RandAugment = Under("policy", ("randaugment",))
Velocity = Under("kind", ("sgd", "lars"))
Adaptive = Under("kind", ("lamb", "adamw"))
Falling = Under("kind", ("cosine", "polynomial"))
Steps = Under("kind", ("step",))
Warm = Under("warmup")
Taught = Under("teacher")
Averaged = Under("ema_decay")


class Part:
    """A part of a recipe; ValueError when a field holds what its type does not allow, or what nothing reads."""

    def __post_init__(self) -> None:
        check_fields(self)
        check_read(self)


@dataclass(frozen=True, kw_only=True)
class About(Part):
    """Where a recipe comes from and what it is expected to reach; nothing here changes the run."""

    paper: str
    """Authors, title, arXiv number, section or table."""
    data: str
    """The data set it is meant for, as `--data` takes it."""
    hardware: str
    """What the source trained on."""
    expected: str
    """The published score, with its source."""
    departures: str = ""
    """Where the recipe differs from its source, and why."""


@dataclass(frozen=True, kw_only=True)
class Network(Part):
    """A network to train, or to learn from."""

    row: str
    """A row of the zoo, or `keras.applications.NAME` for a teacher."""
    weights: str | None = None
    """Where training starts (and what a teacher knows): a published tag, `imagenet`, a file, or a folder's path with a
    slash in it; None: random."""
    depths: tuple[Count, ...] = ()
    """Blocks a stage, if other than the row's."""
    width: Annotated[float, Bound(above=0, high=4)] = 1.0
    """What the row's channels are multiplied by."""
    zero_init_residual: bool | None = None
    """Start the last norm of each block at zero (Goyal et al. 2017, section 5.1); None: as the row has it."""
    zero_init_head: bool = False
    """Start the classifier at zero, also where `weights` have one for as many classes (BiT's fine-tuning)."""
    norm: Literal["batch", "sync_batch", "frozen_batch", "group"] | None = None
    """`sync_batch` takes statistics over all replicas; None: the row's own."""
    drop_path: BelowOne = 0.0
    """Stochastic depth: the rate at the last block, growing linearly (Huang et al. 2016)."""
    dropout: BelowOne = 0.0
    """Before the classifier."""
    frozen_until: Literal["stem", "stage1", "stage2", "stage3", "stage4", "backbone"] | None = None
    """What does not train: everything from the images up to and including that; None: all trains."""
    dtype: Dtype = "float32"
    """A Keras dtype policy; in float16 the loss is scaled dynamically. In float64 runs that add in another order, as
    replicas do, agree to 1e-12: for checks, at a few times the cost."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.row.startswith("keras.applications."):
            return
        spec = network_spec(self)  # raises where the zoo has no such row, or another number of stages
        if self.weights is not None:
            try:
                check_source(self.weights, spec)
            except ValueError as error:
                raise ValueError(f"weights must be a published tag, a path or none (random). {error}") from error


@dataclass(frozen=True, kw_only=True)
class Images(Part):
    """How images reach the network, in training and in evaluation."""

    train_size_px: Count
    test_size_px: Count
    """Larger than `train_size_px` under FixRes (Touvron et al. 2019)."""
    progressive_px: tuple[Count, ...] = ()
    """Training sizes of equal parts of the run, before `train_size_px`, which is the last part's."""
    crop: Annotated[float, Bound(above=0, high=1)]
    """Share of the resized shorter side that evaluation keeps."""
    mean: tuple[float, float, float]
    std: tuple[Positive, Positive, Positive]
    """Of each channel, of pixels in 0..1, in the order that the network takes them."""
    interpolation: Interpolation = "bilinear"
    order: Literal["rgb", "bgr"] | None = None
    """Of the channels as the network takes them: keras.applications' ResNets take blue first; None: red first."""

    @property
    def training_sizes_px(self) -> tuple[int, ...]:
        """Those of a run, in their order."""
        return (*self.progressive_px, self.train_size_px)


@dataclass(frozen=True, kw_only=True)
class Augmentation(Part):
    """What happens to a training image; numbers come from the seed and the example's place in the run alone."""

    crop: Crop
    """`none`: as in evaluation; `pad`: zero padding, then a random crop (He et al. 2015, section 4.2); `random_area`:
    a random share of the area at a random aspect (Szegedy et al. 2015); `random_side`: the shorter side at a random
    length, then a random crop (He et al. 2015, section 3.4)."""
    padding_px: Annotated[CountOrNone, Under("crop", ("pad",))] = 0
    area: Annotated[tuple[Share, Share], RandomArea] = (0.08, 1.0)
    """Smallest and largest share of the area under `random_area`."""
    aspect: Annotated[tuple[Positive, Positive], RandomArea] = (3 / 4, 4 / 3)
    """Smallest and largest width over height under `random_area`."""
    side_px: Annotated[tuple[Count, Count], Under("crop", ("random_side",))] = (256, 480)
    """Shortest and longest shorter side under `random_side`."""
    flip: bool = True
    """Left-right, every second image, where the data say that it keeps the label."""
    color_jitter: Share = 0.0
    """Brightness, contrast and saturation are each scaled by a number in 1 - this .. 1 + this."""
    lighting: NotNegative = 0.0
    """Standard deviation of AlexNet's noise along the principal colours (Krizhevsky et al. 2012), pixels in 0..1."""
    policy: Policy = "none"
    """RandAugment (Cubuk et al. 2020), TrivialAugment wide (Müller & Hutter 2021), AutoAugment (Cubuk et al. 2019)."""
    policy_operations: Annotated[Count, RandAugment] = 2
    """RandAugment's N."""
    policy_magnitude: Annotated[float, Bound(low=0, high=30), RandAugment] = 9.0
    """RandAugment's M, in tenths of an operation's range; ResNet-RS goes to 15."""
    policy_magnitude_std: Annotated[NotNegative, RandAugment] = 0.0
    """Of the normal noise on the magnitude."""
    policy_probability: Annotated[Share, RandAugment] = 1.0
    """That each of RandAugment's operations is applied."""
    repeats: Count = 1
    """Augmented copies of an image, which come one after the other: nearly always in one batch (Hoffer et al. 2020). An
    epoch sees as many images as ever, copies counted: one in `repeats` of the data. The next goes on with others (the
    samplers of timm and torchvision draw anew)."""
    mixup: NotNegative = 0.0
    """Alpha of the Beta distribution (Zhang et al. 2018); 0: off."""
    cutmix: NotNegative = 0.0
    """Alpha of the Beta distribution (Yun et al. 2019); 0: off."""
    mix_probability: Share = 1.0
    """That a batch is mixed at all."""
    mix_switch: Annotated[Share, Under("mixup"), Under("cutmix")] = 0.5
    """That a mixed batch takes cutmix, where both are on."""
    erase: Share = 0.0
    """Probability of random erasing (Zhong et al. 2020)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("area", "aspect", "side_px"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"{name} must hold the smaller first, above 0. Received: {name}={(low, high)!r}")


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
class Quantization(Part):
    """Training of the network's fake-quantized twin, batch norms folded, whose export to int8 needs no calibration."""

    weight_bits: Literal[4, 8] = 8
    """Of kernels; activations have 8."""
    ranges: Literal["moving_average", "learned"] = "moving_average"
    """How the activations' ranges go on from those of the first images: after the batches' extremes (Jacob et al. 2018,
    arXiv 1712.05877, section 3.1), or by gradient (Esser et al. 2020, arXiv 1902.08153)."""
    calibration_images: Count = 256
    """Training images whose activations' extremes the ranges start from."""
    keep_float: tuple[str, ...] = ()
    """Layers of the fused network that are not quantized."""


@dataclass(frozen=True, kw_only=True)
class Averaging(Part):
    """What is evaluated and kept beside the last weights."""

    ema_decay: BelowOne = 0.0
    """Decay of the moving average of weights and norm statistics; 0: off."""
    ema_every_steps: Annotated[Count, Averaged] = 1
    ema_start: Annotated[Literal["full", "ramp", "after_warmup"], Averaged] = "full"
    """`ramp`: the decay of update t is at most (1 + t) / (10 + t) (TF model garden); `after_warmup`: the average
    follows the weights while the rate warms up (torchvision)."""
    reestimate_images: CountOrNone = 0
    """Training images over which norm statistics are taken anew at the end (Wu & Johnson 2021); 0: moving ones stay."""


@dataclass(frozen=True, kw_only=True)
class Watch(Part):
    """How often a run reports, is evaluated and is kept."""

    log_every_steps: Count = 100
    evaluate_every: Positive = 1.0
    """In the schedule's unit."""
    checkpoint_every_steps: Count = 1000
    keep_checkpoints: Count = 3
    best_by: Literal["accuracy", "loss"] = "accuracy"
    """Test metric whose best checkpoint stays besides."""
