"""The photographs of the comparison, and what PIL in worker processes makes of them."""

import math
import random
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from benchmarks.harness import timed

WIDTH, HEIGHT, SIZE, SHORTER = 500, 375, 224, 256
QUALITY = 90
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
WORKERS = 2


def write_photographs(folder: Path, count: int) -> list[Path]:
    """`count` different cut-outs of the photographs that scikit-learn ships, in two classes."""
    from sklearn.datasets import load_sample_images

    photographs = [Image.fromarray(image) for image in load_sample_images().images]
    dice = np.random.default_rng(0)
    paths = []
    for number in range(count):
        photograph = photographs[number % 2]
        share = dice.uniform(0.6, 1.0)
        size = np.array([photograph.width, photograph.width * HEIGHT / WIDTH]) * share
        size = np.minimum(size, photograph.size)
        corner = dice.uniform(0, np.subtract(photograph.size, size))
        image = photograph.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC, box=(*corner, *(corner + size)))
        path = folder / str(number % 2) / f"{number:04}.jpg"
        path.parent.mkdir(exist_ok=True)
        ImageEnhance.Brightness(image).enhance(dice.uniform(0.8, 1.2)).save(path, quality=QUALITY)
        paths.append(path)
    return paths


def training_image(path: Path) -> np.ndarray:
    """A random box of a share of 0.08 to 1 of the area, resized and maybe flipped: (224, 224, 3) uint8."""
    image = Image.open(path).convert("RGB")
    image = image.crop(_random_box(*image.size)).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    return np.asarray(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if random.random() < 0.5 else image)


def _random_box(width: int, height: int) -> tuple[int, int, int, int]:
    for _ in range(10):
        area = width * height * random.uniform(0.08, 1.0)
        aspect = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            left, top = random.randint(0, width - w), random.randint(0, height - h)
            return left, top, left + w, top + h
    return 0, 0, width, height


def evaluation_image(path: Path) -> np.ndarray:
    """The shorter side resized to 256, the middle cut out: (224, 224, 3) uint8."""
    image = Image.open(path).convert("RGB")
    scale = SHORTER / min(image.size)
    image = image.resize((int(image.width * scale), int(image.height * scale)), Image.Resampling.BILINEAR)
    left, top = (image.width - SIZE) // 2, (image.height - SIZE) // 2
    return np.asarray(image.crop((left, top, left + SIZE, top + SIZE)))


STEPS = {"training": training_image, "evaluation": evaluation_image}


class PilRival:
    """PIL in worker processes that stay; a context."""

    def __init__(self, paths: list[Path]) -> None:
        self._paths = paths
        self._pool = ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn"))

    def __enter__(self) -> "PilRival":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def run(self, kind: str) -> float:
        """Seconds of all the images."""
        chunk = max(len(self._paths) // (8 * WORKERS), 1)
        return timed(lambda: sum(1 for _ in self._pool.map(STEPS[kind], self._paths, chunksize=chunk)))
