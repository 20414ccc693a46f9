"""A training step of ResNet-50, batch 16 at 224 px: `kres.training`'s against PyTorch's, eager and channels-last."""

from collections.abc import Sequence
from functools import partial

from benchmarks.harness import Row, arguments, in_turns, lacks_bfloat16, report

# isort: split
from benchmarks.other_process import OtherProcess
from benchmarks.training_runs import bare_steps, plain_recipe, random_source
from kres.training.settings.parts import Dtype

TARGETS: dict[Dtype, float] = {"float32": 1.2, "mixed_bfloat16": 0.95}


def asked(torch: OtherProcess, dtype: Dtype) -> Sequence[float]:
    return [torch.run(dtype)]


def compare(dtype: Dtype, torch: OtherProcess, *, batch: int, size: int, every: int, rounds: int) -> Row:
    name = f"ResNet-50 step, batch {batch}, {size} px, {dtype}, against PyTorch"
    why = torch.absent or (lacks_bfloat16() if dtype == "mixed_bfloat16" else "")
    if why:
        return Row(name=name, kres=[], stock=[], target=TARGETS[dtype], not_measurable=why)
    source = random_source(size=size, classes=1000, count=1000)
    chosen = plain_recipe("resnet50", size=size, batch=batch, steps=2 * every, every=every, dtype=dtype)
    seconds = in_turns({"kres": partial(bare_steps, chosen, source), "stock": partial(asked, torch, dtype)}, rounds)
    return Row(name=name, kres=seconds["kres"], stock=seconds["stock"], target=TARGETS[dtype])


def main() -> None:
    options = arguments(__doc__)
    size, batch, every = (32, 2, 1) if options.toy else (224, 16, 3)
    dtypes: Sequence[Dtype] = ("float32",) if options.toy else tuple(TARGETS)
    with OtherProcess("torch_step", size, batch, every) as torch:
        rows = [compare(dtype, torch, batch=batch, size=size, every=every, rounds=options.rounds) for dtype in dtypes]
    report(rows, options)


if __name__ == "__main__":
    main()
