"""The update rules in NumPy, float64, one weight at a time: twenty lines each, straight from the papers."""

from collections.abc import Callable, Iterable

import numpy as np

Rule = Callable[[np.ndarray, Iterable[np.ndarray], Iterable[float]], np.ndarray]


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if numerator > 0 and denominator > 0 else 1.0


def sgd(weight, gradients, rates, *, momentum, decay, form="caffe", nesterov=False, trust=None):
    """SGD with L2; with `trust`, LARS."""
    velocity = np.zeros_like(weight)
    for gradient, rate in zip(gradients, rates, strict=True):
        direction = gradient + decay * weight
        if trust is not None:
            norm = np.linalg.norm(weight)
            direction = direction * _ratio(trust * norm, np.linalg.norm(gradient) + decay * norm)
        inside, outside = (rate, 1.0) if form == "caffe" else (1.0, rate)
        velocity = momentum * velocity - inside * direction
        step = momentum * velocity - inside * direction if nesterov else velocity
        weight = weight + outside * step
    return weight


def adam(weight, gradients, rates, *, betas, epsilon, decay, lamb=False, adapts=True):
    """AdamW, or LAMB, whose tensors that do not adapt do not decay either."""
    mean, square = np.zeros_like(weight), np.zeros_like(weight)
    for number, (gradient, rate) in enumerate(zip(gradients, rates, strict=True), 1):
        mean = betas[0] * mean + (1 - betas[0]) * gradient
        square = betas[1] * square + (1 - betas[1]) * gradient**2
        step = mean / (1 - betas[0] ** number) / (np.sqrt(square / (1 - betas[1] ** number)) + epsilon)
        if not lamb:
            weight = weight - rate * decay * weight
        elif adapts:
            step = step + decay * weight
            step = step * _ratio(np.linalg.norm(weight), np.linalg.norm(step))
        weight = weight - rate * step
    return weight
