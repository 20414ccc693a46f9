"""Two worker processes train together; one is killed or told to stop, and the run goes on where it was saved."""

import json
import logging
import os
import random
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from kres.cli.launch import free_ports, tf_config
from kres.training import load_model, read_history
from tests.cli.processes import KRES, PATIENCE_SECONDS, wait_for
from tests.support import lean

STEPS = 160
CHANGES = [
    "network.depths=1,1,1",
    "network.width=0.5",
    "images.train_size_px=16",
    "images.test_size_px=16",
    "watch.log_every_steps=1",
    "watch.checkpoint_every_steps=20",
    "watch.evaluate_every=1000",  # of the recipe's steps, which are squeezed: at the end
    "schedule.learning_rate=0.05",
]
RUN = ["train", "digits", "--recipe", "digits_resnet20", "--steps", str(STEPS), "--batch-size", "16"]
RUN += [word for change in CHANGES for word in ("--set", change)]
RUN += ["--workdir", "run", "--strategy", "multi_worker", "--deterministic"]

logger = logging.getLogger(__name__)


class Pair:
    """A chief and another worker. Each has a folder of its own for its workdir, so what is in there it has written."""

    def __init__(self, folder: Path, *words: str) -> None:
        addresses = [f"127.0.0.1:{port}" for port in free_ports([0, 0])]
        self.places = [folder / "chief", folder / "other"]
        self.logs = [folder / "chief.txt", folder / "other.txt"]
        self.processes = []
        for index, (place, log) in enumerate(zip(self.places, self.logs, strict=True)):
            place.mkdir(parents=True, exist_ok=True)
            environment = {"TF_CONFIG": tf_config(addresses, index), "TF_NUM_INTRAOP_THREADS": "1"}
            with log.open("w") as output:
                process = subprocess.Popen(
                    [*KRES, *RUN, *words],
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    text=True,
                    cwd=place,
                    env=lean(CUDA_VISIBLE_DEVICES="-1", COLUMNS="500", **environment),
                )
            self.processes.append(process)

    def __enter__(self) -> "Pair":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.kill()
            process.wait()

    def text(self, index: int) -> str:
        return self.logs[index].read_text(errors="replace")

    def reaches(self, step: int) -> None:
        """Wait until the chief has finished `step` in this process."""
        table = self.places[0] / "run" / "log.csv"
        before = table.stat().st_ino if table.exists() else None
        wait_for(
            lambda: (
                table.exists()
                and table.stat().st_ino != before
                and max((row.step for row in read_history(table.parent)), default=0) >= step
            ),
            self.processes[0],
            every=0.002,
        )

    def end(self, index: int, code: int, seconds: float = PATIENCE_SECONDS) -> str:
        found = self.processes[index].wait(seconds)
        assert found == code, (found, self.text(0), self.text(1))
        return self.text(index)


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*")}


def _show_the_other_what_was_saved(folder: Path) -> dict[str, tuple[int, int]]:
    other = folder / "other" / "run"
    shutil.rmtree(other, ignore_errors=True)
    shutil.copytree(folder / "chief" / "run", other)
    return _files(other)


@pytest.mark.slow
def test_a_lost_worker_ends_the_run_and_a_restart_goes_on(tmp_path):
    seed = int(os.environ.get("KRES_TEST_SEED", random.SystemRandom().randrange(2**31)))
    dice = random.Random(seed)
    logger.info("repeat this with KRES_TEST_SEED=%d", seed)
    with Pair(tmp_path / "whole") as pair:
        assert [pair.end(index, 0) for index in (0, 1)]
    assert not list((tmp_path / "whole" / "other").iterdir())  # only the chief writes

    folder = tmp_path / "lost"
    with Pair(folder) as pair:
        victim = dice.randrange(2)
        pair.reaches(dice.randint(21, 40))
        pair.processes[victim].kill()
        killed = time.monotonic()
        text = pair.end(1 - victim, 138, seconds=60)
        logger.info("worker %d was killed; the other ended after %.1f s", victim, time.monotonic() - killed)
        assert f"worker {victim} of 2 (127.0.0.1:" in text and "--resume" in text and "Traceback" not in text
    assert not list((folder / "other").iterdir())

    with Pair(folder, "--resume") as pair:
        for index in (0, 1):
            text = pair.end(index, 2)
            assert "the workdir must be shared by all workers" in text and "Traceback" not in text
            assert re.search(r'worker 1 has checkpoint="none", the chief "\w{12}"; worker 1 has step=0, the', text)
    assert not list((folder / "other").iterdir())

    before = _show_the_other_what_was_saved(folder)
    with Pair(folder, "--resume") as pair:
        pair.reaches(dice.randint(60, 80))
        pair.processes[dice.randrange(2)].send_signal(signal.SIGTERM)
        said = [re.search(r"SIGTERM: stopped after step (\d+)", pair.end(index, 143)) for index in (0, 1)]
        assert said[0] and said[1] and said[0][1] == said[1][1]
    assert _files(folder / "other" / "run") == before
    run = folder / "chief" / "run"
    assert json.loads((run / "run.json").read_text())["state"] == "interrupted"
    assert max((run / "checkpoints").iterdir()).name == f"step_{int(said[0][1]):08d}"

    before = _show_the_other_what_was_saved(folder)
    with Pair(folder, "--resume") as pair:
        text = pair.end(0, 0)
        assert f"from step {said[0][1]}" in text
        pair.end(1, 0)
    assert _files(folder / "other" / "run") == before
    whole = tmp_path / "whole" / "chief" / "run"
    for found, expected in zip(load_model(run).get_weights(), load_model(whole).get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
