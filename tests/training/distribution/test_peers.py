import signal
import time

import pytest
import tensorflow as tf

from kres.training.distribution import explain, gather_text, leave_together, require_same
from tests.training.distribution.processes import Workers

STEPS = """
import os, signal, sys
signal.signal(signal.SIGTERM, lambda number, frame: print("SIGTERM reaches Python", flush=True))
import tensorflow as tf
from kres.training.distribution import *

strategy = choose("auto")
assert choose("multi_worker", devices=1) is strategy  # the CPU's one device, said in words
here = place(strategy)
print(here, here.is_chief, here.first_replica, flush=True)
os.kill(os.getpid(), signal.SIGTERM)

require_same({"recipe": {"name": "a", "steps": 9}}, strategy, rule="the same for all")
settings = {"recipe": {"name": "a", "steps": 9 + here.worker}, "seed": 0}
if here.worker:
    settings["só"] = [1]
try:
    require_same(settings, strategy, rule="the same for all")
except ValueError as error:
    print("refused:", error, flush=True)
print(gather_text("x" * here.worker, strategy), flush=True)

@tf.function
def step():
    return strategy.run(lambda: tf.distribute.get_replica_context().all_reduce("sum", tf.ones(1000)))
"""
UNTIL_LOST = (
    STEPS
    + """
with lost_workers_told(strategy):
    for number in range(10**6):
        step()
        if number == 5:
            print("stepping", flush=True)
"""
)
TO_THE_END = (
    STEPS
    + """
import time
agreement = Agreement(strategy)
heard = []
for step in range(1, 5):
    if here.is_chief:
        time.sleep(0.6)
    heard.append(agreement.ask(15 if here.worker and step == 3 else 0))
print("heard", heard, flush=True)
if here.is_chief:
    time.sleep(1)
leave_together(strategy)
print("the end", flush=True)
"""
)


def test_workers_compare_their_settings_and_tell_who_was_killed(tmp_path):
    with Workers(UNTIL_LOST, tmp_path) as workers:
        workers.wait_for("stepping")
        for index in (0, 1):
            text = workers.text(index)
            assert f"Place(worker={index}, workers=2, replicas=2, local_replicas=1) {index == 0} {index}" in text
            assert "SIGTERM reaches Python" in text
            assert (
                "refused: the same for all. Received: worker 1 has recipe.steps=10, the chief 9; "
                "worker 1 has só=[1], the chief nothing" in text
            )
            assert "['', 'x']" in text
        workers.processes[1].kill()
        assert workers.end(0, seconds=60) == 1
        assert (
            f"WorkerLost: worker 1 of 2 ({workers.addresses[1]}) is gone, so worker 0 stops. Its own log may say why; "
            "start all workers again with --resume" in workers.text(0)
        )


@pytest.mark.slow
def test_the_chief_frozen_ends_the_others_too(tmp_path):
    with Workers(UNTIL_LOST, tmp_path) as workers:
        workers.wait_for("stepping")
        workers.processes[0].send_signal(signal.SIGSTOP)
        frozen = time.monotonic()
        assert workers.end(1, seconds=60) == 1
        assert time.monotonic() - frozen < 60
        assert f"WorkerLost: worker 0 of 2 ({workers.addresses[0]}) is gone, so worker 1 stops" in workers.text(1)


def test_workers_stop_and_leave_together(tmp_path):
    with Workers(TO_THE_END, tmp_path) as workers:
        assert [workers.end(0), workers.end(1)] == [0, 0], workers.texts()
        # The chief's steps are slow, so the other tells of its signal in the step that it came in.
        assert all(f"heard {[0, 0, 15, 0]}\nthe end" in workers.text(index) for index in (0, 1))


def test_a_single_worker_has_nobody_to_compare_with():
    strategy = tf.distribute.get_strategy()
    require_same({"a": 1}, strategy, rule="")
    leave_together(strategy)
    assert gather_text("é", strategy) == ["é"]
    assert explain(tf.errors.UnavailableError(None, None, "Collective ops is aborted"), strategy) is None
