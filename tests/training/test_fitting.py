import json
import os
import re
import shutil
import signal
from dataclasses import replace
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

import kres
from kres.training import Interrupted, NotFinite, WorkdirError, data, evaluate, fit, load_model, read_history
from kres.training import fitting as fitting_module
from kres.training import loop as loop_module
from kres.training.data.corrupt import UnreadableImage
from kres.training.logs import read_gradient_norms
from kres.training.settings import Schedule
from kres.training.settings.overrides import apply
from kres.training.signals import StopRequest
from kres.training.workdir import read_run, write_run
from tests.training.tiny import tiny_recipe, tiny_source


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return fit(tiny_recipe(), data=tiny_source(), workdir=tmp_path_factory.mktemp("run") / "a")


def test_a_run_leaves_what_it_promises(finished):
    names = {path.name for path in finished.workdir.iterdir()}
    assert names == {
        ".lock",
        "run.json",
        "checkpoints",
        "log.csv",
        "gradients.csv",
        "tensorboard",
        "model.keras",
        "README.md",
    }
    checkpoints = sorted(path.name for path in (finished.workdir / "checkpoints").iterdir())
    assert checkpoints == ["step_00000002", "step_00000004"]
    run = json.loads((finished.workdir / "run.json").read_text())
    assert run["state"] == "finished"
    assert run["result"]["loss"] == finished.loss == finished.history[-1].test_loss
    assert finished.images_per_second == pytest.approx(4 * 8 / finished.seconds)
    assert run["settings"]["recipe"] == tiny_recipe().to_dict()
    assert run["result"]["n_images"] == finished.n_images == 7
    assert list((finished.workdir / "tensorboard").glob("events*"))


def test_the_log_holds_every_readout(finished):
    assert [row.step for row in finished.history] == [2, 4]
    assert finished.history == tuple(read_history(finished.workdir))
    first, last = finished.history
    assert first.test_accuracy is None and last.test_accuracy == finished.accuracy
    assert last.epoch == 4 * 8 / 20
    assert 0 <= first.accuracy <= 1 and first.images_per_second > 0
    json.dumps(finished.to_dict())


def test_a_result_is_shown_without_its_history(finished):
    assert f"accuracy={finished.accuracy}" in repr(finished) and "LogRow" not in repr(finished)


def test_the_final_model_ends_in_probabilities_and_knows_its_preprocessing(finished):
    model = keras.saving.load_model(finished.model_path)
    assert kres.preprocess(model).size == 8
    images = np.stack([tiny_source().test.read(i) for i in range(7)])
    answers = model.predict(kres.preprocess(model)(images), verbose=0)
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-6)
    assert evaluate(model, tiny_source()).accuracy == finished.accuracy


def test_the_same_run_again_is_refused_and_resumed_returns_at_once(finished):
    with pytest.raises(WorkdirError, match=r"holds this run already .finished."):
        fit(tiny_recipe(), data=tiny_source(), workdir=finished.workdir)
    before = finished.model_path.stat().st_mtime_ns
    again = fit(tiny_recipe(), data=tiny_source(), workdir=finished.workdir, resume=True)
    assert again == finished
    assert finished.model_path.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"recipe": tiny_recipe(log_every_steps=1)}, "recipe.watch.log_every_steps: 2 there, 1 here"),
        ({"seed": 1}, "seed: 0 there, 1 here"),
        ({"data": tiny_source(train=21)}, "data.train_images: 20 there, 21 here"),
        ({"batch_size": 4}, "recipe.batch_size: 8 there, 4 here"),
    ],
)
def test_a_workdir_with_another_run_is_refused(finished, changes, difference):
    arguments = {"recipe": tiny_recipe(), "data": tiny_source(), "workdir": finished.workdir, "resume": True, **changes}
    with pytest.raises(WorkdirError, match=difference):
        fit(arguments.pop("recipe"), **arguments)


def test_load_model_reads_a_workdir_a_file_and_an_unfinished_run(finished, tmp_path):
    expected = load_model(finished.workdir).get_weights()
    unfinished = _unfinished(finished.workdir, tmp_path / "copy")
    run = json.loads((unfinished / "run.json").read_text())
    run["settings"]["recipe"]["network"]["weights"] = "gone.safetensors"  # where it began is not needed any more
    (unfinished / "run.json").write_text(json.dumps(run))
    for path in (finished.model_path, unfinished):
        model = load_model(path)
        assert model.layers[-1].get_config()["activation"] == "softmax"
        for found, weight in zip(model.get_weights(), expected, strict=True):
            np.testing.assert_array_equal(found, weight)
    with pytest.raises(ValueError, match=r"a workdir or a .keras file. Received"):
        load_model(tmp_path / "nowhere")


def _unfinished(workdir, copy):
    shutil.copytree(workdir, copy)
    (copy / "model.keras").unlink()
    return copy


def test_a_signal_finishes_the_step_and_a_resumed_run_ends_as_an_uninterrupted_one(finished, tmp_path, monkeypatch):
    original = loop_module.Loop._due

    def send_after_the_first_step(self, every):
        if self.step == 1 and every == self.plan.evaluate_every_steps:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, every)

    monkeypatch.setattr(loop_module.Loop, "_due", send_after_the_first_step)
    with pytest.raises(Interrupted, match=r"SIGTERM: stopped after step 1 of 4") as caught:
        fit(tiny_recipe(), data=tiny_source(), workdir=tmp_path / "run")
    assert caught.value.exit_code == 143
    monkeypatch.undo()
    assert json.loads((tmp_path / "run" / "run.json").read_text())["state"] == "interrupted"
    result = fit(tiny_recipe(), data=tiny_source(), workdir=tmp_path / "run", resume=True)
    assert [row.step for row in result.history] == [1, 2, 4]
    for found, expected in zip(
        load_model(result.workdir).get_weights(), load_model(finished.workdir).get_weights(), strict=True
    ):
        # Without determinism sums may be taken in another order; bit for bit is tested elsewhere, with it.
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_later_second_signal_ends_a_run_at_once_and_changes_nothing_that_was_kept(finished, tmp_path, monkeypatch):
    """The real processes of tests/training/test_signals.py show when a signal counts as a second one."""
    workdir = _unfinished(finished.workdir, tmp_path / "run")
    write_run(workdir, read_run(workdir)["settings"], state="interrupted")
    shutil.rmtree(workdir / "checkpoints" / "step_00000004")
    kept = {path: path.read_bytes() for path in (workdir / "checkpoints").rglob("*") if path.is_file()}

    def send_twice(self, stop):
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(loop_module.Loop, "_after_step", send_twice)
    monkeypatch.setattr(fitting_module, "StopRequest", partial(StopRequest, same_request_seconds=0.0))
    with pytest.raises(KeyboardInterrupt):
        fit(tiny_recipe(), data=tiny_source(), workdir=workdir, resume=True)
    assert read_run(workdir)["state"] == "interrupted"
    assert kept == {path: path.read_bytes() for path in (workdir / "checkpoints").rglob("*") if path.is_file()}


def _exploding(*, steps):
    """Half the run as it should be, then a rate at which no weight stays finite."""
    tiny = tiny_recipe(steps=steps, checkpoint_every_steps=1)
    schedule = Schedule(
        unit="steps",
        length=steps,
        kind="constant",
        learning_rate=1e30,
        warmup=steps // 2,
        warmup_kind="constant",
        warmup_learning_rate=1e-3,
    )
    return replace(tiny, schedule=schedule)


def test_a_loss_that_is_not_finite_stops_and_names_step_and_checkpoint(tmp_path):
    with pytest.raises(NotFinite) as raised:
        fit(_exploding(steps=6), data=tiny_source(), workdir=tmp_path)
    last = max((tmp_path / "checkpoints").iterdir())
    assert last.name in ("step_00000003", "step_00000004")  # the weights of step 4 may be large, but finite
    step = int(last.name[5:]) + 1
    assert re.search(rf"the loss of step {step} is not finite|not finite after step {step}\.", str(raised.value))
    assert f"The last good checkpoint is {last}." in str(raised.value)
    assert json.loads((tmp_path / "run.json").read_text())["state"] == "failed"


def test_a_loss_that_is_not_finite_from_the_first_leaves_no_checkpoint_and_the_workdir_for_a_better_try(
    tmp_path, caplog
):
    tiny = tiny_recipe(steps=6)
    recipe = replace(tiny, schedule=replace(tiny.schedule, learning_rate=1e30, warmup=0))
    with pytest.raises(NotFinite, match=r"(the loss of step \d|not finite after step \d).*no good checkpoint"):
        fit(recipe, data=tiny_source(), workdir=tmp_path)
    mended = replace(recipe, schedule=replace(recipe.schedule, learning_rate=1e-3))
    again = fit(mended, data=tiny_source(), workdir=tmp_path, resume=True)
    assert [row.step for row in again.history] == [2, 4, 6]
    told = [record.getMessage() for record in caplog.records if "nothing to resume" in record.getMessage()]
    assert told == [f"nothing to resume in {tmp_path}: a new run begins"]


def test_the_best_model_of_a_run_comes_back(tmp_path):
    tiny = _exploding(steps=8)
    schedule = replace(tiny.schedule, learning_rate=1.0)
    recipe = replace(tiny, schedule=schedule, watch=replace(tiny.watch, evaluate_every=1, best_by="loss"))
    result = fit(recipe, data=tiny_source(), workdir=tmp_path)
    best = min(result.history, key=lambda row: row.test_loss)
    assert best.test_loss < result.loss
    for path in (tmp_path, _unfinished(tmp_path, tmp_path.with_name("copy"))):
        assert _cross_entropy(load_model(path, checkpoint="best")) == pytest.approx(best.test_loss, rel=1e-4)
        assert _cross_entropy(load_model(path)) > best.test_loss
    with pytest.raises(ValueError, match=r"only a workdir has checkpoints to choose from. Received: .*model.keras"):
        load_model(tmp_path / "model.keras", checkpoint="best")
    with pytest.raises(ValueError, match=r"Received: checkpoint='newest'"):
        load_model(tmp_path, checkpoint="newest")


def _cross_entropy(model):
    test = tiny_source().test
    images = kres.preprocess(model)(np.stack([test.read(i) for i in range(len(test))]))
    answers = model.predict(images, verbose=0)
    return float(np.mean(-np.log(np.maximum(answers[np.arange(len(test)), test.labels], 1e-30))))


def test_an_overflow_of_float16_spoils_no_gradient_norm(tmp_path):
    tiny = tiny_recipe(steps=6, log_every_steps=3, checkpoint_every_steps=6)
    recipe = replace(tiny, network=replace(tiny.network, dtype="mixed_float16", depths=(1, 1, 1)))
    scale = 2.0**40

    class Scaled(loop_module.State):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.optimizer.dynamic_scale.assign(scale)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop_module, "State", Scaled)
        fit(recipe, data=tiny_source(), workdir=tmp_path / "all")
    assert read_gradient_norms(tmp_path / "all") == []
    scale = 2.0**15
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop_module, "State", Scaled)
        fit(recipe, data=tiny_source(), workdir=tmp_path / "none")
    rows = read_gradient_norms(tmp_path / "none")
    assert [row["step"] for row in rows] == [3, 6]
    assert np.isfinite([list(row.values()) for row in rows]).all()


def test_an_image_that_breaks_during_a_run_is_named(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for i in range(10):
            keras.utils.save_img(
                tmp_path / "images" / name / f"{i}.png", rng.integers(0, 256, (11, 9, 3), dtype=np.uint8)
            )
    source = data.load(tmp_path / "images")
    for split in (source.train, source.test):
        victim = tmp_path / "images" / split.names[2]
        whole = victim.read_bytes()
        victim.write_bytes(whole[:60])
        with pytest.raises(UnreadableImage, match=rf"cannot be decoded: {split.names[2]}\. Restore them"):
            fit(tiny_recipe(steps=4), data=source, workdir=tmp_path / split.names[2].replace("/", "-"))
        victim.write_bytes(whole)


def test_norms_are_estimated_anew_from_batches_of_what_a_device_computes_at_once(tmp_path, monkeypatch):
    tiny = tiny_recipe()
    asked = apply(tiny, ["averaging.reestimate_images=20", "optimizer.accumulate=2"])
    seen = []
    monkeypatch.setattr(loop_module, "reestimate_norms", lambda model, batches: seen.extend(map(len, batches)))
    fit(asked, data=tiny_source(), workdir=tmp_path / "stub")
    assert seen == [4] * 5
    monkeypatch.undo()
    result = fit(asked, data=tiny_source(), workdir=tmp_path / "run")
    plain = fit(apply(tiny, ["optimizer.accumulate=2"]), data=tiny_source(), workdir=tmp_path / "plain")
    weights = zip(*(keras.saving.load_model(run.model_path).weights for run in (result, plain)), strict=True)
    for anew, before in weights:
        assert np.array_equal(anew, before) == ("moving" not in anew.path)


def test_a_card_that_a_kill_kept_from_being_written_comes_with_the_next_start(finished):
    card = finished.workdir / "README.md"
    before = card.read_text()
    card.unlink()
    again = fit(tiny_recipe(), data=tiny_source(), workdir=finished.workdir, resume=True)
    assert again == finished and card.read_text() == before


def test_a_folder_trains_and_its_corrupt_images_are_counted(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for i in range(10):
            pixels = rng.integers(0, 256, (11, 9, 3), dtype=np.uint8)
            keras.utils.save_img(tmp_path / "images" / name / f"{i}.png", pixels)
    victim = tmp_path / "images" / "cat" / "3.png"
    victim.write_bytes(victim.read_bytes()[:60])
    run = {"data": tmp_path / "images", "workdir": tmp_path / "run"}
    with pytest.raises(ValueError, match=r"1 of \d+ training images cannot be decoded: cat/3\.png"):
        fit(tiny_recipe(steps=2), **run)
    assert not (tmp_path / "run").exists()
    with pytest.raises(UnreadableImage, match=r"1 image\(s\) cannot be decoded: cat/3\.png"):
        fit(tiny_recipe(steps=2), **run | {"workdir": tmp_path / "unchecked"}, on_corrupt="unchecked")
    result = fit(tiny_recipe(steps=2), **run, on_corrupt="skip")
    assert result.n_corrupt == 1
    assert load_model(result.workdir).output_shape == (None, 2)


def test_bad_arguments_are_refused_before_anything_is_written(tmp_path):
    for arguments, message in (
        ({"seed": -1}, "Received: seed=-1"),
        ({"strategy": "gpu"}, "auto, one, mirrored, multi_worker, tpu. Received: strategy='gpu'"),
        ({"devices": 0}, "Received: devices=0"),
        ({"steps": 0}, "above 0. Received: steps=0"),
        ({"batch_size": 0}, "Received: batch_size=0"),
    ):
        with pytest.raises(ValueError, match=message):
            fit(tiny_recipe(), data=tiny_source(), workdir=tmp_path / "run", **arguments)
    assert not (tmp_path / "run").exists()


def test_bfloat16_trains(tmp_path):
    tiny = tiny_recipe(steps=2)
    recipe = replace(tiny, network=replace(tiny.network, dtype="mixed_bfloat16"))
    result = fit(recipe, data=tiny_source(), workdir=tmp_path)
    model = load_model(result.workdir)
    assert model.layers[2].compute_dtype == "bfloat16"
    assert model.output.dtype == "float32"
    assert tf.reduce_all([tf.reduce_all(tf.math.is_finite(w.value)) for w in model.trainable_variables])
