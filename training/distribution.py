"""On which devices a run computes: one small function a strategy, in one table."""

from collections.abc import Callable

import tensorflow as tf


def one(devices: int | None) -> tf.distribute.Strategy:
    """The first GPU, or the CPU."""
    if devices not in (None, 1):
        raise ValueError(f"strategy 'one' computes on 1 device; 'mirrored' takes more. Received: devices={devices}")
    return tf.distribute.get_strategy()


def mirrored(devices: int | None) -> tf.distribute.Strategy:
    """A replica on each GPU, or on each of `devices` logical CPUs where there is no GPU."""
    kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    if kind == "CPU" and devices:
        _split_cpu(devices)
    found = [device.name for device in tf.config.list_logical_devices(kind)]
    count = devices or len(found)
    if not 0 < count <= len(found):
        raise ValueError(f"devices must lie in 1..{len(found)}, the {kind}s here. Received: devices={devices}")
    return tf.distribute.MirroredStrategy(found[:count])


def auto(devices: int | None) -> tf.distribute.Strategy:
    """`mirrored` where there are several GPUs or `devices` asks for several, else `one`."""
    several = devices > 1 if devices else len(tf.config.list_physical_devices("GPU")) > 1
    return mirrored(devices) if several else one(devices)


STRATEGIES: dict[str, Callable[[int | None], tf.distribute.Strategy]] = {
    "auto": auto,
    "one": one,
    "mirrored": mirrored,
}


def choose(name: str, *, devices: int | None = None) -> tf.distribute.Strategy:
    """The strategy called `name`; ValueError for an unknown name or a number of devices that is not there."""
    if name not in STRATEGIES:
        raise ValueError(f"strategy must be one of {', '.join(STRATEGIES)}. Received: strategy={name!r}")
    if devices is not None and devices < 1:
        raise ValueError(f"devices must be above 0. Received: devices={devices}")
    return STRATEGIES[name](devices)


def require_divisible(batch_size: int, strategy: tf.distribute.Strategy) -> None:
    """ValueError that names the nearest batch sizes when the replicas cannot share `batch_size` evenly."""
    replicas = strategy.num_replicas_in_sync
    if batch_size % replicas:
        below = batch_size - batch_size % replicas
        choices = " or ".join(str(size) for size in (below, below + replicas) if size)
        raise ValueError(
            f"batch_size must divide by the {replicas} replicas: use {choices}. Received: batch_size={batch_size}"
        )


def _split_cpu(count: int) -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    try:
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
    except RuntimeError as error:
        # TensorFlow fixes its devices at the first operation; enough of them may be there already.
        available = len(tf.config.list_logical_devices("CPU"))
        if available < count:
            raise ValueError(
                f"TensorFlow already runs with {available} CPU device(s) in this process, so start a new one. "
                f"Received: devices={count}"
            ) from error
