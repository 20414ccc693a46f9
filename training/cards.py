"""The model card of a run: the README.md of a finished workdir, and what it adds to a card that is pushed."""

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import keras

import kres
from kres.training.changes import changes_of, words_of
from kres.training.logs import LogRow, read_history
from kres.training.nesting import flatten
from kres.training.workdir import RUN, WorkdirError, data_name, read_run
from kres.weights.card import card, fact_table, licence_of, markdown_table, use_of_model
from kres.weights.layout import CARD
from kres.writing import write_atomically

logger = logging.getLogger(__name__)

CURVE_ROWS = 12
"""Readouts in the card's table, evenly over the run."""


def write_card(workdir: Path, model: keras.Model) -> Path:
    """Write README.md for the `model` of a finished run; one that is there stays, as it may be the user's own.

    The licence is that of the published weights that training began from, else for the user to fill in. Raises
    WorkdirError when the run is not finished.
    """
    run = read_run(workdir)
    measured = measured_of(workdir)
    if measured is None:
        raise WorkdirError(f"a card is written for a finished run. Received: {workdir} ({run['state']})")
    path = workdir / CARD
    if path.exists():
        logger.info("%s is there already and stays as it is", path)
        return path
    text = card(
        model,
        licence=licence_of(model, None),
        labels=tuple(run["settings"]["data"]["class_names"]),
        measured=measured,
        title=f"{measured.recipe} on {measured.data}",
        use=_use(model),
        notes=training_notes(workdir),
    )
    write_atomically(path, lambda aside: aside.write_text(text, encoding="utf-8"))
    return path


def measured_of(workdir: Path) -> kres.Measured | None:
    """How good the model of a run was found to be; None while the run goes on."""
    run = read_run(workdir)
    result = run.get("result")
    if result is None:
        return None
    return kres.Measured(
        data=data_name(run["settings"]["data"]["source"]),
        accuracy=result["accuracy"],
        n_images=result["n_images"],
        split="test",
        recipe=run["settings"]["recipe"]["name"],
    )


def training_notes(workdir: Path) -> str:
    """How a run went, in Markdown: recipe, data, hardware, versions, the course of training, all settings."""
    run = read_run(workdir)
    settings = {name: value for name, value in flatten(run["settings"]["recipe"]).items() if _tells(name, value)}
    parts = [
        "## Training",
        fact_table({name: text for name, text in _facts(run).items() if text}),
        *_course(read_history(workdir)),
        "<details><summary>The recipe, as it ran</summary>",
        fact_table({name: words_of(value) for name, value in settings.items()}, head=("setting", "value")),
        f"</details>\n\n`{RUN}` of the run says it all.",
    ]
    return "\n\n".join(parts)


def _use(model: keras.Model) -> str:
    return f"""With kres, in this folder:

```python
import kres

model = kres.training.load_model(".")
{use_of_model(model)}
```

```sh
kres predict . photo.jpg
kres push . ../published   # weights in the Hugging Face hub's layout, with such a card
```
"""


def _facts(run: Mapping[str, Any]) -> dict[str, str]:
    """What the record says, by name; empty where it does not, as in those of older versions."""
    recipe, data = run["settings"]["recipe"], run["settings"]["data"]
    about = recipe.get("about", {})
    elsewhere = "" if data_name(data["source"]) == about.get("data") else f", on {about.get('data')}"
    return {
        "Recipe": recipe["name"],
        "Its source": about.get("paper", ""),
        "Hardware of its source": about.get("hardware", ""),
        f"Published for it{elsewhere}": about.get("expected", ""),
        "Changed in it for this run": _changes(recipe),
        f"Where it departs from its source{elsewhere}": about.get("departures", ""),
        "Data": _data(data),
        "Score": _score(run.get("result") or {}),
        "Length": _length(run),
        "Seed": str(run["settings"].get("seed", "")),
        "Time": _time(run),
        "Hardware": _hardware(run.get("hardware") or {}),
        "Versions": ", ".join(f"{name} {version}" for name, version in run.get("versions", {}).items()),
        "Code": _code(run.get("git")),
    }


def _changes(recipe: Mapping[str, Any]) -> str:
    changes = changes_of(recipe) or {}
    return "; ".join(f"{field} {' -> '.join(map(words_of, pair))}" for field, pair in changes.items())


def _data(data: Mapping[str, Any]) -> str:
    words = f"{data_name(data['source'])}, {data['classes']} classes"
    if "train_images" in data:
        words += f": {data['train_images']:,} training and {data['test_images']:,} test images"
    return words


def _score(result: Mapping[str, Any]) -> str:
    if not result:
        return ""
    words = f"{result['accuracy']:.2%} of {result['n_images']:,} test images, each counted once"
    if result.get("loss") is not None:
        words += f"; loss {result['loss']:.4f}"
    return words + (f"; {result['n_corrupt']:,} corrupt ones left out" if result.get("n_corrupt") else "")


def _length(run: Mapping[str, Any]) -> str:
    result = run.get("result") or {}
    if not result:
        return ""
    words = f"{result['steps']:,} steps in {timedelta(seconds=round(result['seconds']))}"
    speed = result.get("images_per_second")
    return words + (f", {speed:,.0f} images/s over all of it" if speed else "")


def _time(run: Mapping[str, Any]) -> str:
    if not run.get("started") or not run.get("ended"):
        return ""
    resumed = len(run.get("resumed", ()))
    return f"{run['started']} to {run['ended']}" + (f", resumed {_count(resumed, 'time')}" if resumed else "")


def _hardware(hardware: Mapping[str, Any]) -> str:
    if not hardware:
        return ""
    memory = hardware["memory_bytes"]
    parts = [
        f"{hardware['processor']}, {_count(hardware['cores'], 'core')} ({' '.join(hardware['instructions'])})",
        "" if memory is None else f"{memory / 2**30:.0f} GiB",
        ", ".join(hardware["accelerators"]),
        f"{hardware['strategy']}, {_count(hardware['replicas'], 'replica')}, {_count(hardware['workers'], 'worker')}",
    ]
    return "; ".join(filter(None, parts))


def _count(number: int, word: str) -> str:
    return f"{number} {word}" + ("s" if number != 1 else "")


def _code(git: Mapping[str, Any] | None) -> str:
    return "" if git is None else f"git revision {git['revision']}" + (" with changes" if git["dirty"] else "")


def _course(history: Sequence[LogRow]) -> list[str]:
    """The table of the training curve: readouts with a test accuracy, or all where there is none."""
    rows = [row for row in history if row.test_accuracy is not None] or list(history)
    if not rows:
        return []
    count = min(len(rows), CURVE_ROWS)
    shown = [rows[round(index * (len(rows) - 1) / max(count - 1, 1))] for index in range(count)]
    head = ("step", "epoch", "learning rate", "loss", "accuracy", "test loss", "test accuracy")
    return [markdown_table([head, *map(_readout, shown)])]


def _readout(row: LogRow) -> tuple[str, ...]:
    return (
        str(row.step),
        f"{row.epoch:.2f}",
        f"{row.learning_rate:.4g}",
        f"{row.loss:.4f}",
        f"{row.accuracy:.2%}",
        "" if row.test_loss is None else f"{row.test_loss:.4f}",
        "" if row.test_accuracy is None else f"{row.test_accuracy:.2%}",
    )


def _tells(name: str, value: Any) -> bool:
    return not name.startswith("about.") and value not in (None, [], "")
