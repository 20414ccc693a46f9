import numpy as np
import tensorflow as tf

from kres.training import feed, recipe
from kres.training.data import arrays
from kres.training.data.service import VARIABLE
from kres.training.plan import Phase


def test_data_workers_get_operations_of_tensorflow_alone(monkeypatch):
    """Where they run there may be no compiler."""
    asked = []

    def batches(*arguments, compiled, **options):
        asked.append(compiled)
        return tf.data.Dataset.range(1)

    monkeypatch.setattr(feed, "training_batches", batches)
    monkeypatch.setattr(feed, "through_service", lambda batches, steps, **options: batches(steps))
    chosen = recipe("digits_resnet20")
    blank = np.zeros((4, 8, 8, 3), np.uint8), np.array([0, 1, 0, 1])
    source = arrays(blank, blank, class_names=("a", "b"))
    fed = feed.Feed(chosen, source, seed=0, strategy=tf.distribute.OneDeviceStrategy("/cpu:0"))
    phase = Phase(steps=range(2), size_px=8)
    fed.batches(phase, done=0)
    monkeypatch.setenv(VARIABLE, "one:1")
    fed.batches(phase, done=0)
    assert asked == [True, False]
