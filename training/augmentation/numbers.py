"""Random numbers that depend on the seed and a place in the run alone, so that any part of a run can be repeated."""

from dataclasses import dataclass
from enum import IntEnum

import tensorflow as tf


class Stream(IntEnum):
    """What a number is for: each has numbers of its own, whatever else is switched on."""

    CROP = 0
    FLIP = 1
    POLICY = 2
    POLICY_NOISE = 3
    JITTER = 4
    LIGHTING = 5
    ERASE = 6
    MIX = 7
    MIX_SHARE = 8


@dataclass(frozen=True)
class Numbers:
    """The random numbers of the example (or the step) at `position` () int64 of the run."""

    seed: int
    position: tf.Tensor

    def uniform(self, stream: Stream, *shape: int) -> tf.Tensor:
        """Numbers (*shape) float32 in [0, 1)."""
        return tf.random.stateless_uniform(shape, seed=self._key(stream))

    def normal(self, stream: Stream, *shape: int) -> tf.Tensor:
        """Numbers (*shape) float32 of mean 0 and variance 1."""
        return tf.random.stateless_normal(shape, seed=self._key(stream))

    def beta(self, stream: Stream, alpha: tf.Tensor) -> tf.Tensor:
        """A number () float32 of Beta(alpha, alpha), alpha () above 0: the share of one gamma variate of two."""
        pair = tf.random.stateless_gamma((2,), self._key(stream), tf.cast(alpha, tf.float64), dtype=tf.float64)
        # Where alpha is tiny both are the smallest float64 there is; the limit of the distribution is a coin.
        coin = tf.cast(self.uniform(stream) < 0.5, tf.float64)
        return tf.cast(tf.where(pair[0] == pair[1], coin, pair[0] / tf.reduce_sum(pair)), tf.float32)

    def _key(self, stream: Stream) -> tf.Tensor:
        return tf.stack([tf.constant(self.seed, tf.int64), self.position * len(Stream) + int(stream)])
