import json
import os
import re
import socket

import pytest
from typer.testing import CliRunner

from kres.cli import launch as module
from kres.cli.app import app
from kres.cli.launch import free_ports, share_gpus, tf_config, threads_of
from kres.cli.supervision import Ended
from tests.cli.processes import finish, kres, start


def test_ports_are_free_and_differ():
    ports = free_ports([0] * 20)
    assert len(set(ports)) == 20
    with socket.create_server(("127.0.0.1", ports[3])), pytest.raises(ValueError, match=f"Received: port={ports[3]}"):
        free_ports([ports[3]])
    with pytest.raises(ValueError, match="Received: port=70000"):
        free_ports([70000])


def test_threads_are_shared_out_unless_told(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    assert threads_of(3, {}) == {"TF_NUM_INTRAOP_THREADS": "2", "OMP_NUM_THREADS": "2"}
    assert threads_of(3, {"OMP_NUM_THREADS": "5"}) == {"TF_NUM_INTRAOP_THREADS": "2"}
    assert threads_of(99, {})["OMP_NUM_THREADS"] == "1"


def test_gpus_are_shared_out():
    assert share_gpus([], workers=2, devices=None) == [{}, {}]
    visible = [worker["CUDA_VISIBLE_DEVICES"] for worker in share_gpus(list("4567"), workers=2, devices=None)]
    assert visible == ["4,5", "6,7"]
    assert share_gpus(list("4567"), workers=2, devices=1)[1] == {"CUDA_VISIBLE_DEVICES": "5"}
    for gpus, devices in (("0", None), ("012", None), ("012", 2), ("", 1)):
        with pytest.raises(ValueError, match=f"Received: workers=2, devices={devices}"):
            share_gpus(list(gpus), workers=2, devices=devices)


def test_each_worker_knows_its_place():
    assert json.loads(tf_config(["a:1", "b:2"], 1)) == {
        "cluster": {"worker": ["a:1", "b:2"]},
        "task": {"type": "worker", "index": 1},
    }


class Attempts(list):
    """Stands in for the processes: gives one exit code after another, and keeps what was to be run."""

    def __init__(self, *codes, asked=False):
        self.codes = list(codes)
        self.asked = asked

    def __call__(self, workers, **options):
        self.append((workers, options))
        return Ended(self.codes.pop(0), asked=self.asked)


def run(monkeypatch, attempts, *words, **options):
    monkeypatch.setattr(module, "launch", attempts)
    module.launch_(list(words), **options)


def test_restarts_go_on_from_the_last_checkpoint(monkeypatch):
    attempts = Attempts(137, 1, 0)
    run(monkeypatch, attempts, "train", "r", workers=2, restarts=3)
    assert [workers[0].words[-1] for workers, _ in attempts] == ["r", "--resume", "--resume"]
    first, second = (workers[1].environment["TF_CONFIG"] for workers, _ in attempts[:2])
    assert json.loads(first)["task"]["index"] == json.loads(second)["task"]["index"] == 1


@pytest.mark.parametrize(("code", "asked"), [(2, False), (130, False), (143, False), (137, True)])
def test_what_was_refused_or_asked_to_stop_is_not_restarted(monkeypatch, code, asked):
    attempts = Attempts(code, asked=asked)
    with pytest.raises(module.typer.Exit) as ended:
        run(monkeypatch, attempts, "train", "r", "--resume", restarts=3)
    assert ended.value.exit_code == code and len(attempts) == 1


def test_workers_are_told_where_the_data_workers_are(monkeypatch):
    attempts = Attempts(0)
    run(monkeypatch, attempts, "train", "r", workers=2, data_workers=2)
    [(workers, options)] = attempts
    told = workers[1].environment["KRES_DATA_SERVICE"].split(",")
    assert [address.split(":")[1] for address in told] == [service.words[-1] for service in options["services"]]
    assert workers[0].environment["KRES_DATA_SERVICE"] == workers[1].environment["KRES_DATA_SERVICE"]


@pytest.mark.parametrize("command", ["degradation", "list"])
def test_only_train_can_be_launched(monkeypatch, command):
    with pytest.raises(ValueError, match=f"by kres train and nothing else. Received: command='{command}'"):
        run(monkeypatch, Attempts(), command)


@pytest.mark.parametrize("before", [["--", "kres"], ["--"], ["kres"], []])
def test_what_follows_the_command_is_its_own(before, monkeypatch):
    """With or without `--` and the program's name."""
    attempts = Attempts(0)
    monkeypatch.setattr(module, "launch", attempts)
    words = ["train", "digits", "--recipe", "digits_resnet20", "--set", "batch_size=8"]
    result = CliRunner().invoke(app, ["launch", "--workers", "2", *before, *words])
    assert result.exit_code == 0, result.output
    [(workers, _)] = attempts
    assert [worker.words[len(module.KRES) :] for worker in workers] == [words, words]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trian", "digits"], r"No such command 'trian'"),
        (["train", "digits", "--recip", "r"], r"Usage: kres train .*No such option: --recip"),
        (["train", "digits", "--workers", "2"], r"Usage: kres train .*No such option: --workers"),
        (["data", "inspekt"], r"Usage: kres data .*No such command 'inspekt'"),
        (["info"], r"Usage: kres info .*Missing argument"),
        (["kres"], r"Missing command"),
        (["train", "--steps", "many"], r"Invalid value for '--steps'"),
    ],
)
def test_a_command_line_that_cannot_be_is_refused_before_workers_start(words, message, monkeypatch):
    monkeypatch.setattr(module, "launch", Attempts())
    result = CliRunner().invoke(app, ["launch", "--", *words], prog_name="kres")
    assert result.exit_code == 2
    assert re.search(message, " ".join(result.output.split())), result.output


def test_two_workers_and_their_data_worker_run_a_command(tmp_path):
    words = ["--", "train", "digits", "--recipe", "digits_resnet20", "--dry-run"]
    process = start("launch", "--workers", "2", "--data-workers", "1", "--log-dir", str(tmp_path), *words)
    out, _ = finish(process, 0)
    lines = out.splitlines()
    firsts, seconds = ([line for line in lines if line.startswith("[1] ") == tagged] for tagged in (False, True))
    assert "digits_resnet20" in "".join(firsts) and seconds == [f"[1] {line}" for line in firsts]
    assert {path.name for path in tmp_path.iterdir()} == {"worker-0.log", "worker-1.log", "data-0.log"}


def test_a_refusal_keeps_its_exit_code_and_its_words():
    out, err = kres("launch", "--", "train", "digits", "--recipe", "resnet99", code=2)
    assert "[0] error:" in err and "resnet99" in err and not out
