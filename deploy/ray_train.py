"""Trains with Ray Train: python deploy/ray_train.py --workers 2 digits_resnet20 --data digits --workdir /shared/run.

Ray's TensorflowTrainer sets TF_CONFIG in each of its workers, from which kres takes its place. The workdir must lie on
storage that all nodes share. Ray starts all workers again when one is lost, and the run goes on from its checkpoint.
"""

import argparse
from typing import Any


def train_loop(settings: dict[str, Any]) -> None:
    """What each worker does: the run, whose result the chief reports."""
    import ray.train

    from kres.training import fit

    result = fit(strategy="auto", resume=True, **settings)
    ray.train.report({"accuracy": result.accuracy, "steps": result.steps})


def main(arguments: list[str] | None = None) -> None:
    """Start the workers and wait for them."""
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.tensorflow import TensorflowTrainer

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe")
    parser.add_argument("--data", required=True)
    parser.add_argument("--workdir", required=True)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--gpu", action="store_true", help="a GPU for each worker")
    parser.add_argument("--restarts", type=int, default=3)
    chosen = parser.parse_args(arguments)
    trainer = TensorflowTrainer(
        train_loop,
        train_loop_config={"recipe": chosen.recipe, "data": chosen.data, "workdir": chosen.workdir},
        scaling_config=ScalingConfig(num_workers=chosen.workers, use_gpu=chosen.gpu),
        run_config=RunConfig(failure_config=FailureConfig(max_failures=chosen.restarts)),
    )
    trainer.fit()


if __name__ == "__main__":
    main()
