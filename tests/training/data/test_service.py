import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from kres.cli.launch import free_ports
from kres.training.data.service import service_addresses, through_service

ROOT = Path(__file__).parents[3]
SERVE = (
    f"import sys; sys.path.append({str(ROOT)!r}); from kres.training.data.service import serve; serve(int(sys.argv[1]))"
)


def batches(steps):
    """Two elements a step, that hang on its number alone; some take much longer than others."""

    def element(number):
        step, part = tf.range(steps.start, steps.stop, steps.step, tf.int64)[number // 2], number % 2
        slow = tf.random.stateless_uniform([200, 200], tf.stack([step, part]))
        tail = tf.while_loop(
            lambda i: i < step % 3 * 20,
            lambda i: i + 1 + tf.cast(tf.linalg.trace(slow @ slow) < 0, tf.int64),
            [tf.constant(0, tf.int64)],
        )
        return tf.stack([step, part, tail[0]]), slow[:2]

    return tf.data.Dataset.range(2 * len(steps)).map(element, num_parallel_calls=tf.data.AUTOTUNE)


@pytest.fixture(scope="module")
def data_workers():
    ports = free_ports([0, 0])
    processes = [subprocess.Popen([sys.executable, "-c", SERVE, str(port)]) for port in ports]
    yield tuple(f"127.0.0.1:{port}" for port in ports)
    for process in processes:
        process.terminate()
        assert process.wait(30) == 0


@pytest.mark.parametrize("steps", [range(0, 23), range(7, 12), range(3, 4)])
def test_two_data_workers_give_what_one_process_gives_and_in_its_order(data_workers, steps):
    here = list(batches(steps).as_numpy_iterator())
    there = list(through_service(batches, steps, addresses=data_workers, elements_per_step=2).as_numpy_iterator())
    assert len(here) == len(there) == 2 * len(steps)
    for (numbers, draws), (expected_numbers, expected_draws) in zip(there, here, strict=True):
        np.testing.assert_array_equal(numbers, expected_numbers)
        np.testing.assert_array_equal(draws, expected_draws)  # integer arithmetic makes them, the same in any process


def test_each_step_is_computed_once(data_workers, tmp_path):
    def noted(steps):
        def note(number):
            step = tf.gather(tf.constant(list(steps), tf.int64), number)
            tf.io.write_file(
                tf.strings.join([str(tmp_path), "/", tf.strings.as_string(step), ".", str(steps.start)]), ""
            )
            return step

        return tf.data.Dataset.range(len(steps)).map(note)

    steps = range(10, 21)
    assert list(through_service(noted, steps, addresses=data_workers).as_numpy_iterator()) == list(steps)
    assert sorted(os.listdir(tmp_path)) == [f"{step}.{10 + step % 2}" for step in steps]


def test_the_addresses_come_from_the_environment():
    assert service_addresses({"KRES_DATA_SERVICE": "a:1, b:2"}) == ("a:1", "b:2")
    assert service_addresses({}) == ()
    with pytest.raises(ValueError, match="KRES_DATA_SERVICE"):
        through_service(batches, range(3), addresses=())


def test_a_port_in_use_is_refused(data_workers):
    port = data_workers[0].split(":")[1]
    again = subprocess.run(
        [sys.executable, "-c", SERVE, port], capture_output=True, text=True, check=False, timeout=120
    )
    assert again.returncode == 1
    assert f"Address already in use. Received: port={port}" in again.stderr
