import pytest
import tensorflow as tf

from kres.cli.launch import tf_config
from kres.training.distribution import STRATEGIES, Place, choose, place, strategies
from tests.training.replicas import on_replicas


def test_one_device_is_the_default():
    assert choose("auto").num_replicas_in_sync == 1
    assert choose("one", devices=1).num_replicas_in_sync == 1
    assert set(STRATEGIES) == {"auto", "one", "mirrored", "multi_worker", "tpu"}


@pytest.mark.parametrize(
    ("name", "devices", "message"),
    [
        ("gpu", None, "one of auto, one, mirrored, multi_worker, tpu. Received: strategy='gpu'"),
        ("multi_worker", None, "kres launch or srun.*Received: neither"),
        ("tpu", None, "finds no TPU.*Received: strategy='tpu'"),
        ("tpu", 8, "all cores of its TPU. Received: devices=8"),
        ("one", 2, "computes on 1 device.*Received: devices=2"),
        ("mirrored", 0, "above 0. Received: devices=0"),
    ],
)
def test_what_is_not_there_is_refused(name, devices, message):
    with pytest.raises(ValueError, match=message):
        choose(name, devices=devices)


@pytest.mark.parametrize("name", ["one", "mirrored", "tpu"])
def test_what_trains_in_one_process_is_refused_to_several(name, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", tf_config(["127.0.0.1:1", "127.0.0.1:2"], 1))
    with pytest.raises(ValueError, match=f"tells of 2 workers.*use auto or multi_worker.*Received: strategy='{name}'"):
        choose(name)


def test_workers_are_refused_before_they_meet_once_tensorflow_has_started(monkeypatch):
    tf.add(1, 1)
    devices = tf.config.get_visible_devices()
    monkeypatch.setenv("TF_CONFIG", tf_config(["127.0.0.1:1", "127.0.0.1:2"], 1))
    monkeypatch.setattr(strategies, "meet", lambda cluster: pytest.fail("it waits for the others"))
    with pytest.raises(ValueError, match="before TensorFlow computes anything: call kres"):
        choose("auto")
    assert tf.config.get_visible_devices() == devices


def test_alone_a_process_is_the_chief_and_has_all_replicas():
    here = place(choose("auto"))
    assert here == Place(worker=0, workers=1, replicas=1, local_replicas=1)
    assert here.is_chief and here.first_replica == 0
    third = Place(worker=2, workers=4, replicas=8, local_replicas=2)
    assert not third.is_chief and third.first_replica == 4


# What training does with gradients of these shapes, three steps long.
SUM_IN_TURN = """
    def sums(strategy, *shapes):
        def of_a_replica():
            context = tf.distribute.get_replica_context()
            one = tf.cast(1 + context.replica_id_in_sync_group, tf.float32)
            return context.all_reduce("sum", [tf.fill(shape, one) for shape in shapes])

        step = tf.function(lambda: strategy.run(of_a_replica))
        for _ in range(3):
            found = [strategy.experimental_local_results(total)[0].numpy() for total in step()]
        assert [total.shape for total in found] == list(shapes)
        return {float(number) for total in found for number in total.flat}

    two = choose("mirrored", devices=2)
    assert choose("mirrored", devices=4) is strategy
    network, other = [(3, 4), (4,)], [(5, 2), (2,), (2, 7), (7,)]
    for place, shapes in ((strategy, network), (strategy, other), (two, other), (two, network), (strategy, network)):
        print(sums(place, *shapes))
    """


def test_networks_and_numbers_of_devices_take_turns_in_a_process():
    """TensorFlow would mix up the sums of one strategy's replicas with those of another, and fail from then on."""
    four, two = "{10.0}", "{3.0}"  # 1 + 2 + 3 + 4 and 1 + 2
    assert on_replicas(SUM_IN_TURN, devices=4).split() == [four, four, two, two, four]


def test_more_devices_than_tensorflow_started_with_are_refused():
    here = len(tf.config.list_logical_devices())
    with pytest.raises(ValueError, match=f"Received: devices={here + 63}"):
        choose("mirrored", devices=here + 63)
