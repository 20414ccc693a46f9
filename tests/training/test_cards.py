"""The card of a finished run: true to its record, its code runs, and nothing of the machine's owner in it."""

import itertools
import re
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from kres.cli.app import app
from kres.training import recipe
from kres.training.cards import CURVE_ROWS, training_notes, write_card
from kres.training.logs import LogRow, RunLog
from kres.training.settings import overrides
from kres.training.workdir import FINISHED, MODEL, RUNNING, WorkdirError, read_run, write_run
from tests.weights.small import network

SETTINGS = {
    "recipe": {
        "name": "small",
        "about": {
            "paper": "He et al. 2015, section 4.2",
            "hardware": "2 GPUs",
            "expected": "8.75 % error",
            "data": "cifar10",
        },
        "batch_size": 8,
        "network": {"row": "resnet18", "weights": "/home/ada/secret/start.keras", "depths": []},
        "schedule": {"decay_at": [2.0, 4.5], "learning_rate": 0.1},
    },
    "data": {
        "source": "/home/ada/secret/flowers",
        "classes": 5,
        "class_names": ["a", "b|c", "d", "e", "f"],
        "train_images": 1198,
        "test_images": 599,
    },
    "seed": 3,
}
RESULT = {"accuracy": 0.975, "n_images": 597, "n_corrupt": 2, "steps": 400, "seconds": 75.0}
FACTS = {
    "started": "2026-01-01T10:00:00+00:00",
    "resumed": ["2026-01-01T10:01:00+00:00"],
    "command": ["kres", "train", "--data", "~/secret/flowers"],
    "git": {"revision": "0123abcd", "dirty": True},
    "hardware": {
        "processor": "Some CPU",
        "cores": 4,
        "instructions": ["avx2"],
        "memory_bytes": 8 * 2**30,
        "accelerators": ["Some GPU", "Some GPU"],
        "strategy": "MirroredStrategy",
        "replicas": 2,
        "workers": 1,
    },
}


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return network()


def make_workdir(folder: Path, model: Any, *, readouts: int = 40, state: str = FINISHED, **result: Any) -> Path:
    folder.mkdir()
    model.save(folder / MODEL)
    log = RunLog(folder, step=0)
    for number in range(1, readouts + 1):
        row = LogRow(
            step=10 * number,
            epoch=number / 4,
            learning_rate=0.1,
            loss=2 / number,
            accuracy=0.5,
            images_per_second=100.0,
            test_accuracy=None if number % 2 else number / 100,
        )
        log.add(row)
    log.close()
    write_run(folder, SETTINGS, state=state, result={**RESULT, **result} if state == FINISHED else None, facts=FACTS)
    return folder


def cells(text: str) -> dict[str, str]:
    """First and second cell of the rows of tables with two columns."""
    return dict(re.findall(r"^\| (.+?) \| (.*) \|$", text, re.MULTILINE))


def test_the_card_says_what_the_run_recorded(model: Any, tmp_path: Path) -> None:
    from huggingface_hub import ModelCard

    workdir = make_workdir(tmp_path / "run", model, images_per_second=1234.5, loss=0.08)
    loaded = ModelCard.load(write_card(workdir, model))
    (result,) = loaded.data.eval_results
    assert (result.dataset_name, result.dataset_split, result.metric_value) == ("flowers", "test", 0.975)
    assert (loaded.data.license, loaded.data.model_name) == ("unknown", "small on flowers")
    found = cells(loaded.text)
    ended = read_run(workdir)["ended"]
    expected = {
        "Recipe": "small",
        "Its source": "He et al. 2015, section 4.2",
        "Hardware of its source": "2 GPUs",
        "Published for it, on cifar10": "8.75 % error",
        "Data": "flowers, 5 classes: 1,198 training and 599 test images",
        "Score": "97.50% of 597 test images, each counted once; loss 0.0800; 2 corrupt ones left out",
        "Length": "400 steps in 0:01:15, 1,234 images/s over all of it",
        "Seed": "3",
        "Time": f"2026-01-01T10:00:00+00:00 to {ended}, resumed 1 time",
        "Hardware": "Some CPU, 4 cores (avx2); 8 GiB; Some GPU, Some GPU; MirroredStrategy, 2 replicas, 1 worker",
        "Code": "git revision 0123abcd with changes",
        "batch_size": "8",
        "network.weights": "start.keras",
        "schedule.decay_at": "2 4.5",
    }
    assert {name: found[name] for name in expected} == expected
    assert found["Classes"] == r"5: a, b\|c, d, e, f" and found["Licence"].startswith("unknown: whoever owns")
    assert "kres " in found["Versions"] and not [name for name in found if "departs" in name]
    assert not {"about.paper", "network.depths"} & found.keys()
    assert "secret" not in loaded.content and "/home" not in loaded.content


def test_the_course_of_training_is_the_log_thinned_evenly(model: Any, tmp_path: Path) -> None:
    text = write_card(make_workdir(tmp_path / "run", model), model).read_text()
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if re.match(r"\| \d+ \| [\d.]+ \|", line)]
    steps = [int(row[0]) for row in rows]
    assert len(rows) == CURVE_ROWS and (steps[0], steps[-1]) == (20, 400)  # the first and the last that were evaluated
    assert {b - a for a, b in itertools.pairwise(steps)} <= {20, 40}
    assert rows[-1] == ["400", "10.00", "0.1", "0.0500", "50.00%", "", "40.00%"]


def test_few_readouts_are_all_shown(model: Any, tmp_path: Path) -> None:
    for count in (0, 1, 2):
        notes = training_notes(make_workdir(tmp_path / str(count), model, readouts=count))
        assert len(re.findall(r"^\| \d+ \|", notes, re.MULTILINE)) == min(count, 1)


def test_the_cards_own_words_work(model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workdir = make_workdir(tmp_path / "run", model)
    text = write_card(workdir, model).read_text()
    monkeypatch.chdir(workdir)
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype("float32")
    names: dict[str, Any] = {"images": images}
    exec(code, names)
    np.testing.assert_allclose(names["scores"], model(model.preprocess(images)), rtol=1e-5, atol=1e-6)
    Image.fromarray(images[0].astype("uint8")).save("photo.jpg")
    (commands,) = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    for line in commands.splitlines():
        result = CliRunner().invoke(app, line.partition("#")[0].split()[1:])
        assert result.exit_code == 0, result.exception
    pushed = (tmp_path / "published" / "README.md").read_text()
    assert "## Training" in pushed and "He et al. 2015, section 4.2" in pushed and "secret" not in pushed


def test_a_readme_of_the_users_own_stays(model: Any, tmp_path: Path) -> None:
    workdir = make_workdir(tmp_path / "run", model)
    (workdir / "README.md").write_text("my notes")
    assert write_card(workdir, model).read_text() == "my notes"


def test_a_run_that_is_not_finished_has_no_card(model: Any, tmp_path: Path) -> None:
    workdir = make_workdir(tmp_path / "run", model, state=RUNNING)
    with pytest.raises(WorkdirError, match=r"for a finished run. Received: .*run \(running\)"):
        write_card(workdir, model)
    assert not (workdir / "README.md").exists()


def test_a_record_of_kres_0_1_gives_the_notes_that_it_can(tmp_path: Path) -> None:
    settings = {"recipe": {"name": "old", "steps": 7}, "data": {"source": "digits", "classes": 10}, "seed": 0}
    write_run(tmp_path, settings, state=FINISHED, result=RESULT)
    found = cells(training_notes(tmp_path))
    assert found["Recipe"] == "old" and found["Data"] == "digits, 10 classes" and found["steps"] == "7"
    assert not {"Hardware", "Time", "Code", "Its source"} & found.keys()


def test_what_was_changed_stands_beside_the_published_score(tmp_path: Path) -> None:
    changed = overrides.apply(recipe("digits_resnet20").with_length(30), ["network.weights=/home/ada/secret/a.keras"])
    settings = {"recipe": changed.to_dict(), "data": {"source": "digits", "classes": 10}, "seed": 0}
    write_run(tmp_path, settings, state=FINISHED, result=RESULT)
    found = cells(training_notes(tmp_path))
    assert found["Changed in it for this run"] == "network.weights - -> a.keras; schedule.length 1000 -> 30"
    assert found["Published for it"] == changed.about.expected
    assert "training split" in found["Where it departs from its source"]
    write_run(tmp_path, settings | {"data": {"source": "flowers", "classes": 5}}, state=FINISHED, result=RESULT)
    found = cells(training_notes(tmp_path))
    assert "training split" in found["Where it departs from its source, on digits"]
    assert "secret" not in training_notes(tmp_path)


def test_the_licence_of_what_training_began_from_is_kept(tmp_path: Path) -> None:
    from kres.weights import PUBLISHED

    name = next(name for name, row in PUBLISHED.items() if row.non_commercial)
    fine_tuned = network()
    fine_tuned.weights_tag = f"timm/{name}"
    text = write_card(make_workdir(tmp_path / "run", fine_tuned), fine_tuned).read_text()
    assert f"license: {PUBLISHED[name].licence}\n" in text and "no commercial use" in text
