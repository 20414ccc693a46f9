"""A small residual net learns the digits under every optimizer, with and without averaging, devices and dtypes.

Six runs, one process. They are a pairwise covering design (an orthogonal array for two levels, with the three
optimizers beside it): not every combination of levels is run, but every pair of levels of two factors is, so that
whatever two of them break together is seen. Each run is cheap: eight layers, half as wide, digits at 12 pixels, 600
steps.
"""

import itertools
import json
from typing import NamedTuple

import pytest

from tests.training.replicas import on_two_replicas

SCORE = 0.985


class Run(NamedTuple):
    """A level of each factor."""

    optimizer: str
    ema_decay: float
    replicas: int
    dtype: str


LEVELS: tuple[tuple[object, ...], ...] = (
    ("sgd", "lamb", "adamw"),
    (0.0, 0.98),
    (1, 2),
    ("float32", "mixed_bfloat16"),
)
DESIGN = (
    Run("sgd", 0.0, 1, "float32"),
    Run("sgd", 0.98, 2, "mixed_bfloat16"),
    Run("lamb", 0.0, 1, "mixed_bfloat16"),
    Run("lamb", 0.98, 2, "float32"),
    Run("adamw", 0.0, 2, "float32"),
    Run("adamw", 0.98, 1, "mixed_bfloat16"),
)

# Rates and decays were tried by hand, like size and length: 3 to 5 of 599 digits wrong where 8
# are allowed (seeds 2 to 4, SGD and AdamW). Bfloat16 is slow on CPUs without it, hence the size.
RATES = {"sgd": (0.1, 1e-3), "lamb": (0.02, 0.02), "adamw": (0.01, 0.05)}
CHANGES = """
    network.depths=1,1,1 network.width=0.5 images.train_size_px=12 images.test_size_px=12
    augmentation.padding_px=1 schedule.kind=cosine schedule.decay_at=
    watch.evaluate_every=600 watch.checkpoint_every_steps=600
""".split()


def changes(run: Run) -> list[str]:
    """What `kres train --recipe digits_resnet20 --steps 600` would take behind --set."""
    rate, decay = RATES[run.optimizer]
    return [
        *CHANGES,
        f"optimizer.kind={run.optimizer}",
        f"optimizer.weight_decay={decay}",
        f"schedule.learning_rate={rate}",
        f"averaging.ema_decay={run.ema_decay}",
        f"network.dtype={run.dtype}",
    ]


def test_the_runs_cover_every_pair_of_levels():
    for first, second in itertools.combinations(range(len(LEVELS)), 2):
        met = {(run[first], run[second]) for run in DESIGN}
        assert met == set(itertools.product(LEVELS[first], LEVELS[second])), (Run._fields[first], Run._fields[second])


@pytest.mark.slow
def test_every_run_learns_the_digits_and_keeps_the_averaged_weights_where_it_averages(tmp_path):
    """What is evaluated is the model that is kept, and with an average that is not the last step's weights."""
    runs = [(run.replicas, changes(run)) for run in DESIGN]
    printed = on_two_replicas(f"""
        import json
        from kres.training import evaluate, fit, load_model, recipe
        from kres.training.plan import plan
        from kres.training.settings import overrides
        from kres.training.state import State

        def same(first, second):
            return all(np.array_equal(a, b) for a, b in zip(first.get_weights(), second.get_weights(), strict=True))

        for number, (replicas, changes) in enumerate({runs!r}):
            chosen = overrides.apply(recipe("digits_resnet20").with_length(600), changes)
            result = fit(chosen, data="digits", workdir=f"{tmp_path}/{{number}}", devices=replicas)
            kept = load_model(result.workdir)
            last = State(plan(chosen, 1198), classes=10)
            last.checkpoints(result.workdir, chosen).restore()
            facts = json.loads((result.workdir / "run.json").read_text())
            found = dict(
                accuracy=result.accuracy,
                of_the_kept=evaluate(kept, "digits").accuracy,
                kept_is_last=same(kept, last.model),
                replicas=facts["hardware"]["replicas"],
                dtype=kept.get_layer("stem_conv1").compute_dtype,
            )
            print("found", json.dumps(found))
        """)
    found = [json.loads(line.removeprefix("found")) for line in printed.splitlines() if line.startswith("found")]
    scores = dict(zip(DESIGN, [one["accuracy"] for one in found], strict=True))
    assert min(scores.values()) >= SCORE, scores
    for run, one in zip(DESIGN, found, strict=True):
        # Batches of another size round otherwise, in bfloat16 to 8 bits: a near tie of two classes may turn.
        assert abs(one["of_the_kept"] - one["accuracy"]) < 2.5 / 599, (run, one)
        assert one["kept_is_last"] == (run.ema_decay == 0), (run, one)
        assert (one["replicas"], one["dtype"]) == (run.replicas, run.dtype.removeprefix("mixed_")), (run, one)
