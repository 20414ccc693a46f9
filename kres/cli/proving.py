"""What artifacts are proven on: the Keras model's answers on the images that --data names."""

from dataclasses import dataclass

import keras

import kres
from kres import export
from kres.cli.models import Named, images_of
from kres.imagefiles import RGB
from kres.preprocessing import PRESETS, Preprocess


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What artifacts are proven on: the Keras model's answers, images to calibrate on if there are any, and words."""

    reference: export.Reference
    calibration: export.Images | None
    description: str
    class_names: tuple[str, ...] | None = None
    """The source's names of the classes."""


def proof(
    named: Named,
    data: str | None,
    *,
    limit: int,
    on_corrupt: str = "fail",
    calibration_images: int = 0,
    calibration_seed: int = 0,
) -> Proof:
    """Run the model on at most `limit` held-out images of `data`, or else of the source that it was trained on.

    To calibrate on come so many images of the train split, or all where it has fewer, never augmented: each class as
    often as the others while it has images, chosen by the seed. For none, the train split is not read.

    Without either, on seeded random images, which can neither calibrate nor show an accuracy; the description says so.
    Raises ValueError where the source's classes are not the model's.
    """
    if data is None and named.data is None:
        from kres.export.conversion.pixels import preprocess_of
        from kres.export.preparation import random_images

        preprocess = named.preprocess or preprocess_of(named.model)
        images = random_images(named.model, preprocess)
        description = f"{len(images)} seeded random images: no accuracy is measured"
        reference = export.reference(named.model, images, preprocess=preprocess)
        return Proof(reference=reference, calibration=None, description=description)
    from kres.training.data import evaluation_images, sample_images
    from kres.training.data.corrupt import corrupt_named

    source = images_of(named, data, on_corrupt=on_corrupt)
    channels = named.model.inputs[0].shape[-1]
    if channels != RGB:
        raise ValueError(
            f"the images of {source.name} have {RGB} channels, as all data on the command line, and the model takes "
            f"{channels}: export and verify it in Python, with images of its own. Received: an input of shape "
            f"{tuple(named.model.inputs[0].shape)}"
        )
    shapes = [tuple(output.shape) for output in named.model.outputs]
    if len(shapes) == 1 and len(shapes[0]) == 2 and shapes[0][-1] != source.classes:
        received = f"a model of {shapes[0][-1]} classes, and {source.classes} in {source.name}"
        raise ValueError(f"model and data must have the same classes. Received: {received}")
    preprocess = named.preprocess or _own_preprocess(named.model)
    with corrupt_named(source.test):
        images = evaluation_images(source, preprocess)
        reference = export.reference(named.model, images, limit=limit, preprocess=preprocess)
    calibration = None
    if calibration_images:
        count = min(calibration_images, len(source.train))
        calibration, _ = sample_images(source, preprocess, count=count, seed=calibration_seed)
    description = f"{len(reference.images)} held-out images of {source.name}"
    return Proof(
        reference=reference, calibration=calibration, description=description, class_names=tuple(source.class_names)
    )


def _own_preprocess(model: keras.Model) -> Preprocess:
    try:
        return kres.preprocess(model)
    except ValueError as error:
        raise ValueError(f"name the model's preprocessing with --preprocess ({', '.join(PRESETS)}). {error}") from error
