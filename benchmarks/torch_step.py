"""PyTorch's side of `pytorch_step`: ResNet-50 v1.5 in plain PyTorch; `other_process` runs this.

As a program it takes image size, batch size and steps, and answers each line of standard input, "float32" or
"mixed_bfloat16", with the seconds of one training step, a mean over the steps.
"""

import sys
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch import nn

from benchmarks.harness import timed
from benchmarks.other_process import serve

PARAMETERS = 25_557_032


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    """A convolution and its norm."""
    padding = kernel // 2
    return [nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False), nn.BatchNorm2d(outputs)]


class Bottleneck(nn.Module):
    """A block that strides in its 3x3."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = 4 * width
        self.branch = nn.Sequential(
            *convolution(inputs, width, 1),
            nn.ReLU(inplace=True),
            *convolution(width, width, 3, stride),
            nn.ReLU(inplace=True),
            *convolution(width, outputs, 1),
        )
        projects = stride > 1 or inputs != outputs
        self.shortcut = nn.Sequential(*convolution(inputs, outputs, 1, stride)) if projects else nn.Identity()

    def forward(self, x: Any) -> Any:
        return torch.relu(self.branch(x) + self.shortcut(x))


def resnet50(classes: int = 1000) -> nn.Sequential:
    """The network, of torchvision's structure."""
    layers = [*convolution(3, 64, 7, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    channels = 64
    for stage, depth in enumerate((3, 4, 6, 3)):
        for block in range(depth):
            layers.append(Bottleneck(channels, 64 * 2**stage, 2 if stage and not block else 1))
            channels = 256 * 2**stage
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


class Training:
    """Steps of SGD on one random batch."""

    def __init__(self, size: int, batch: int, steps: int) -> None:
        torch.manual_seed(0)
        self.model = resnet50().to(memory_format=torch.channels_last)
        assert sum(weight.numel() for weight in self.model.parameters()) == PARAMETERS
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
        self.images = torch.rand(batch, 3, size, size).to(memory_format=torch.channels_last)
        self.labels = torch.arange(batch)
        self.steps = steps

    def step(self, dtype: str) -> None:
        """Forward, backward, update."""
        lower = torch.autocast("cpu", dtype=torch.bfloat16) if dtype == "mixed_bfloat16" else nullcontext()
        self.optimizer.zero_grad(set_to_none=True)
        with lower:
            loss = nn.functional.cross_entropy(self.model(self.images), self.labels)
        loss.backward()
        self.optimizer.step()

    def seconds(self, dtype: str) -> float:
        """Of a step, the first left out."""
        self.step(dtype)
        return sum(timed(partial(self.step, dtype)) for _ in range(self.steps)) / self.steps


if __name__ == "__main__":
    training = Training(*map(int, sys.argv[1:]))
    serve({dtype: partial(training.seconds, dtype) for dtype in ("float32", "mixed_bfloat16")})
