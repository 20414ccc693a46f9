"""Settings that nothing reads under the values of others are refused."""

import re
from dataclasses import replace

import pytest

from kres.training.settings import Augmentation, Averaging, Loss, Network, Optimizer, Schedule

SGD, ADAMW = Optimizer(kind="sgd"), Optimizer(kind="adamw")
COSINE = Schedule(unit="steps", length=9, kind="cosine", learning_rate=0.1)
PLAIN = Augmentation(crop="none")
TEACHER = Network(row="resnet18", weights="imagenet")


@pytest.mark.parametrize(
    ("part", "field", "value", "other"),
    [
        (ADAMW, "nesterov", True, {"kind": "lars"}),
        (ADAMW, "momentum_form", "torch", {"kind": "sgd"}),
        (SGD, "beta_2", 0.95, {"kind": "lamb"}),
        (SGD, "epsilon", 1e-8, {"kind": "adamw"}),
        (SGD, "trust", 0.02, {"kind": "lars"}),
        (COSINE, "power", 2.0, {"kind": "polynomial"}),
        (COSINE, "decay_at", (3.0,), {"kind": "step"}),
        (COSINE, "least_steps", 3, {"unit": "epochs"}),
        (COSINE, "warmup_kind", "constant", {"warmup": 1.0}),
        (COSINE, "warmup_learning_rate", 0.01, {"warmup": 1.0}),
        (replace(COSINE, kind="constant"), "end_learning_rate", 0.01, {"kind": "cosine"}),
        (replace(COSINE, kind="constant"), "decay_span", "whole_run", {"kind": "polynomial"}),
        (Loss(), "target_threshold", 0.2, {"kind": "sigmoid"}),
        (Loss(), "teacher_share", 0.9, {"teacher": TEACHER}),
        (Loss(), "temperature", 20.0, {"teacher": TEACHER}),
        (Loss(), "untrained_teacher", True, {"teacher": TEACHER}),
        (Averaging(), "ema_every_steps", 32, {"ema_decay": 0.9}),
        (Averaging(), "ema_start", "ramp", {"ema_decay": 0.9}),
        (PLAIN, "padding_px", 4, {"crop": "pad"}),
        (PLAIN, "area", (0.3, 1.0), {"crop": "random_area"}),
        (PLAIN, "aspect", (1.0, 1.0), {"crop": "random_area"}),
        (PLAIN, "side_px", (9, 9), {"crop": "random_side"}),
        (replace(PLAIN, policy="trivialaugment"), "policy_magnitude", 5.0, {"policy": "randaugment"}),
        (PLAIN, "policy_operations", 3, {"policy": "randaugment"}),
        (PLAIN, "mix_probability", 0.5, {"mixup": 0.2}),
        (replace(PLAIN, erase=0.1), "mix_probability", 0.5, {"mixup": 0.0, "cutmix": 1.0}),
        (PLAIN, "mix_switch", 0.3, {"mixup": 0.2, "cutmix": 1.0}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_field_that_nothing_reads_is_refused(part, field, value, other):
    with pytest.raises(
        ValueError, match=rf"{field} goes with (at least one of \()?{next(iter(other))}.*Received: .*{field}="
    ):
        replace(part, **{field: value})
    assert getattr(replace(part, **{field: value}, **other), field) == value


def test_the_error_says_what_reads_the_field_and_what_else_it_may_be():
    told = "nesterov goes with kind='sgd' or 'lars'; without, it stays False. Received: kind='adamw', nesterov=True"
    with pytest.raises(ValueError, match=re.escape(told)):
        replace(ADAMW, nesterov=True)
    with pytest.raises(ValueError, match=r"mix_switch goes with cutmix other than 0\.0; without, it stays 0\.5"):
        replace(PLAIN, mixup=0.2, mix_switch=0.3)
    told = (
        "mix_probability goes with at least one of (mixup other than 0.0, cutmix other than 0.0); "
        "without, it stays 1.0. Received: mixup=0.0, cutmix=0.0, mix_probability=0.5"
    )
    with pytest.raises(ValueError, match=re.escape(told)):
        replace(PLAIN, mix_probability=0.5)
