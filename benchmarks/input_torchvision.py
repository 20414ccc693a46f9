"""torchvision's transforms under PyTorch's DataLoader: `other_process` runs this.

As a program it takes a folder, a number of images and a batch size, and answers each line of standard input, a kind of
pipeline, with the seconds that those images took. "training" ends as torchvision's own training script does, in the
float32 that its network takes; the others in uint8, as kres's pipelines, whose networks' devices do the rest.
"""

import sys
from collections import deque
from functools import partial
from typing import Any

from benchmarks.harness import timed
from benchmarks.input_rivals import MEAN, SHORTER, SIZE, STD, WORKERS
from benchmarks.other_process import serve


def loaders(folder: str, *, count: int, batch: int) -> dict[str, Any]:
    """A DataLoader of `count` images for each kind of pipeline; its worker processes stay."""
    import torch
    from torchvision import datasets, transforms

    crop: list[Any] = [transforms.RandomResizedCrop(SIZE), transforms.RandomHorizontalFlip(), transforms.PILToTensor()]
    normalised = [transforms.ConvertImageDtype(torch.float32), transforms.Normalize(MEAN, STD)]
    steps = {
        "training": [*crop, *normalised],
        "training in uint8": crop,
        "evaluation": [transforms.Resize(SHORTER), transforms.CenterCrop(SIZE), transforms.PILToTensor()],
    }
    found = {}
    for kind, parts in steps.items():
        data = datasets.ImageFolder(folder, transforms.Compose(parts))
        some = torch.utils.data.Subset(data, [number % len(data) for number in range(count)])
        found[kind] = torch.utils.data.DataLoader(some, batch_size=batch, num_workers=WORKERS, persistent_workers=True)
    return found


def once_through(loader: Any) -> float:
    """Seconds of all its batches."""
    return timed(partial(deque, loader, maxlen=0))


if __name__ == "__main__":
    of_kind = loaders(sys.argv[1], count=int(sys.argv[2]), batch=int(sys.argv[3]))
    serve({kind: partial(once_through, loader) for kind, loader in of_kind.items()})
