"""A training step of ResNet-50, batch 16 at 224 px: kres against keras.applications.ResNet50, both under `fit`."""

from benchmarks.harness import Row, arguments, in_turns, lacks_bfloat16, report

# isort: split
import keras

import kres
from benchmarks.steps import compiled, random_batches, stepper

TARGETS = {"float32": 1.1, "mixed_bfloat16": 1.35}


def compare(policy: str, *, batch: int, size: int, steps: int, rounds: int) -> Row:
    name = f"ResNet-50 step, batch {batch}, {size} px, {policy}"
    if policy == "mixed_bfloat16" and lacks_bfloat16():
        return Row(name=name, kres=[], stock=[], target=TARGETS[policy], not_measurable=lacks_bfloat16())
    keras.config.set_dtype_policy(policy)
    data = random_batches(batch, size, 1000)
    models = {
        "kres": kres.build("keras_resnet50", input_shape=(size, size, 3)),
        "stock": keras.applications.ResNet50(weights=None, input_shape=(size, size, 3)),
    }
    seconds = in_turns({who: stepper(compiled(model), data, steps) for who, model in models.items()}, rounds)
    keras.config.set_dtype_policy("float32")
    return Row(name=name, target=TARGETS[policy], kres=seconds["kres"], stock=seconds["stock"])


def main() -> None:
    options = arguments(__doc__)
    batch, size, steps = (2, 32, 1) if options.toy else (16, 224, 3)
    policies = ("float32",) if options.toy else TARGETS
    report(
        [compare(policy, batch=batch, size=size, steps=steps, rounds=options.rounds) for policy in policies], options
    )


if __name__ == "__main__":
    main()
