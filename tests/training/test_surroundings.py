"""What a run notes of where it ran: git, devices, times, the command line, and nothing private."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tensorflow as tf

from kres.training import surroundings
from kres.training.distribution import choose
from kres.training.surroundings import command_line, devices_of, facts_of, git_revision
from tests.support import skip_or_fail


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    if shutil.which("git") is None:
        skip_or_fail("git is not installed")
    git(tmp_path, "init", "--quiet")
    (tmp_path / "file").write_text("1")
    git(tmp_path, "add", "file")
    return tmp_path


def test_git_revision(repository: Path) -> None:
    assert git_revision(repository) is None  # no commit yet
    git(repository, "commit", "--quiet", "--message", "first")
    revision = git(repository, "rev-parse", "HEAD")
    (repository / "runs").mkdir()
    (repository / "runs" / "log.csv").write_text("a run of its own does not make the code another")
    assert git_revision(repository / "runs") == {"revision": revision, "dirty": False}
    (repository / "file").write_text("2")
    assert git_revision(repository) == {"revision": revision, "dirty": True}


def test_outside_a_repository_there_is_no_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_revision(tmp_path) is None
    assert git_revision(tmp_path / "none") is None


@pytest.mark.parametrize("error", [FileNotFoundError("git"), subprocess.TimeoutExpired("git", 10)])
def test_without_git_or_an_answer_there_is_no_revision(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(subprocess, "run", fail)
    assert git_revision() is None


def test_the_command_line_is_the_commands_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "kres_command", raising=False)
    assert command_line() is None
    monkeypatch.setitem(sys.modules, "kres_command", surroundings)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/ada"))
    words = ["train", "--data", "/home/ada/photos", "--workdir=/home/ada", "--set", "a=/home/adam"]
    monkeypatch.setattr(sys, "argv", ["/x/bin/kres", *words])
    assert command_line() == ["kres", "train", "--data", "~/photos", "--workdir=~", "--set", "a=/home/adam"]


def test_devices_of_a_strategy() -> None:
    one = devices_of(tf.distribute.get_strategy())
    assert (one["strategy"], one["replicas"], one["workers"]) == ("one device", 1, 1)
    mirrored = devices_of(choose("mirrored", devices=1))
    assert (mirrored["strategy"], mirrored["replicas"], mirrored["workers"]) == ("MirroredStrategy", 1, 1)
    assert len(one["accelerators"]) == len(tf.config.list_physical_devices("GPU"))


def test_a_cluster_counts_its_workers() -> None:
    tasks = {"chief": ["h:1"], "worker": ["h:2", "h:3"], "evaluator": ["h:4"]}
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(tf.train.ClusterSpec(tasks))

    strategy: Any = SimpleNamespace(cluster_resolver=resolver, num_replicas_in_sync=3)
    found = devices_of(strategy)
    assert (found["replicas"], found["workers"]) == (3, 3)


def test_a_run_that_goes_on_keeps_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter(("2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00", "2026-01-03T00:00:00+00:00"))
    monkeypatch.setattr(surroundings, "utc_now", lambda: next(times))
    strategy = tf.distribute.get_strategy()
    first = facts_of(strategy, steps=3)
    assert (first["started"], first["resumed"], first["steps"]) == ("2026-01-01T00:00:00+00:00", [], 3)
    second = facts_of(strategy, steps=3, found=first)
    third = facts_of(strategy, steps=3, found=second)
    assert third["started"] == first["started"]
    assert third["resumed"] == ["2026-01-02T00:00:00+00:00", "2026-01-03T00:00:00+00:00"]


def test_a_run_of_kres_0_1_did_not_say_when_it_began() -> None:
    found = facts_of(tf.distribute.get_strategy(), steps=3, found={"state": "interrupted", "settings": {}})
    assert found["started"] is None and len(found["resumed"]) == 1


def test_nothing_private_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hf_abcdef")
    monkeypatch.setitem(sys.modules, "kres_command", surroundings)
    monkeypatch.setattr(sys, "argv", ["kres", "train", "--workdir", str(Path.home() / "run")])
    written = str(facts_of(tf.distribute.get_strategy(), steps=1))
    assert "hf_abcdef" not in written and platform.node() not in written
    assert str(Path.home()) not in written and os.environ["PATH"] not in written
