"""What CHECKPOINT_OR_MODEL and --data name on the command line: a model, and the images to prove its artifacts on."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import keras

import kres
from kres import export
from kres.decoding import imagenet_classes
from kres.export.conversion.models import sized
from kres.preprocessing import PRESETS, Preprocess

if TYPE_CHECKING:
    from kres.training.data import Source

logger = logging.getLogger(__name__)

RGB = 3


@dataclass(frozen=True, kw_only=True)
class Named:
    """A model of the command line, with what its run says where it comes of one: workdir, source, names of classes."""

    model: keras.Model
    name: str
    directory: Path | None = None
    data: str | None = None
    data_sha256: str | None = None
    class_names: tuple[str, ...] | None = None
    weights: str | None = None
    """The published weights that a row of the zoo was built with."""
    preprocess: Preprocess | None = None
    """What the user says of a model that does not know how images become its inputs."""

    @property
    def classifies(self) -> bool:
        """Whether the model answers with one score a class, and not with maps or with several outputs."""
        return len(self.model.outputs) == 1 and len(self.model.outputs[0].shape) == 2


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What artifacts are proven on: the Keras model's answers, images to calibrate on if there are any, and words."""

    reference: export.Reference
    calibration: export.Images | None
    description: str
    class_names: tuple[str, ...] | None = None
    """The source's names of the classes."""


def resolve(
    source: str,
    *,
    weights: str | None = None,
    accept_licence: bool = False,
    classes: int | None = None,
    image_size: int | None = None,
    default_weights: str | None = None,
    checkpoint: str | None = None,
    preprocess: str | None = None,
) -> Named:
    """Find a model: a training workdir, a `.keras` file, or a row of the zoo with `weights`, `classes`, `image_size`.

    Of a workdir, `checkpoint` chooses the `last` model (by default) or the `best`. A row without `weights` takes
    `default_weights`; where that is None too, random ones with a warning. A saved model that takes images of any size
    gets the fixed `image_size`, and one that kres did not build the `preprocess` of that preset.

    Raises ValueError for what is none of them, and for options that a saved model has answered already.
    """
    path = Path(source).expanduser()
    if path.is_dir() or path.suffix == ".keras":
        options = {"--weights": weights, "--classes": classes}
        if given := [name for name, value in options.items() if value is not None]:
            raise ValueError(f"a saved model knows its weights and classes. Received: {' '.join(given)}")
        named = _saved(path, checkpoint or "last")
        named = replace(named, model=sized(named.model, image_size))
        return named if preprocess is None else replace(named, preprocess=_preset(named.model, preprocess))
    if path.suffix or len(path.parts) > 1:
        raise FileNotFoundError(
            f"no such model: a workdir, a .keras file or a row of `kres list`; other weights go behind --weights. "
            f"Received: {source}"
        )
    if preprocess is not None:
        raise ValueError(f"a row of the zoo knows its preprocessing. Received: --preprocess {preprocess}")
    if checkpoint is not None:
        raise ValueError(f"only a workdir has checkpoints. Received: {source} --checkpoint {checkpoint}")
    weights = weights or default_weights
    shape = None if image_size is None else (image_size, image_size, 3)
    # Hundreds of fresh residual branches add up to infinity; branches that begin at zero do not.
    model = kres.build(
        source,
        weights=weights,
        accept_licence=accept_licence,
        classes=classes,
        input_shape=shape,
        zero_init_residual=weights is None,
    )
    if weights is None:
        logger.warning("%s has RANDOM weights: its artifacts are for timing alone. Give --weights, or a run", source)
    return Named(model=model, name=source, weights=model.weights_tag)


def _preset(model: keras.Model, name: str) -> Preprocess:
    """The preset `name` at the size and channels of a model that kres did not build."""
    if isinstance(model, kres.ResNet):
        raise ValueError(f"a model of kres knows its preprocessing. Received: --preprocess {name}")
    if name not in PRESETS:
        raise ValueError(f"--preprocess is one of {', '.join(PRESETS)}. Received: {name!r}")
    height, _, channels = model.input_shape[1:]
    if height is None:
        raise ValueError("a model that takes any size needs --image-size beside --preprocess. Received: none")
    return Preprocess(size=height, **PRESETS[name]).for_channels(channels)


def _own_preprocess(model: keras.Model) -> Preprocess:
    try:
        return kres.preprocess(model)
    except ValueError as error:
        raise ValueError(f"name the model's preprocessing with --preprocess ({', '.join(PRESETS)}). {error}") from error


def _saved(path: Path, checkpoint: str) -> Named:
    from kres.training.checkpoints import check_which
    from kres.training.loading import load_model
    from kres.training.workdir import RUN, read_run

    if not path.exists():
        raise FileNotFoundError(f"no such model. Received: {path}")
    model = load_model(path, checkpoint=check_which(checkpoint))
    directory = path if path.is_dir() else path.parent
    if not (directory / RUN).is_file():
        return Named(model=model, name=model.name)
    data = read_run(directory)["settings"]["data"]
    names = data.get("class_names")  # runs of kres 0.1 do not say
    return Named(
        model=model,
        name=model.name,
        directory=directory,
        data=data["source"],
        data_sha256=data.get("sha256"),
        class_names=None if names is None else tuple(names),
    )


def class_names(named: Named, labels: Path | None, *, data: tuple[str, ...] | None = None) -> tuple[str, ...] | None:
    """The names of a model's classes: of the file `labels`, else the run's own, those of `data`, ImageNet's, or None.

    Raises ValueError where `labels` is no text.
    """
    if labels is not None:
        try:
            return tuple(labels.read_text(encoding="utf-8").splitlines())
        except UnicodeDecodeError as error:
            raise ValueError(f"--labels is a text of class names, one a line, in UTF-8. Received: {labels}") from error
    if named.class_names is not None:
        return named.class_names
    wnids, words = zip(*imagenet_classes(), strict=True)
    # Folders of ImageNet are called by WordNet's ids.
    return words if data == wnids or (data is None and are_imagenets(named)) else data


def are_imagenets(named: Named) -> bool:
    """Whether nothing says that a model's classes are others than ImageNet's: no run, and their number."""
    unsaid = named.class_names is None and named.directory is None
    return unsaid and named.model.output_shape[-1] == len(imagenet_classes())


def images_of(named: Named, data: str | None, *, on_corrupt: str = "fail") -> "Source":
    """The images that `data` names, or else those that the model was trained on, in the same split.

    Raises ValueError where there are neither, or the run's own are not where they were.
    """
    from kres.training.data import load

    if data is not None:
        return load(data, on_corrupt=on_corrupt)
    if named.data is None:
        raise ValueError(f"only a run knows its images: name some with --data. Received: {named.name} without --data")
    try:
        source = load(named.data, on_corrupt=on_corrupt)
    except ValueError as error:
        raise ValueError(f"the run's own images do not load, so name them with --data: {error}") from error
    if source.names_sha256() != named.data_sha256:
        logger.warning(
            "%s has changed since the run, so the test split may hold images that the run was trained on", named.data
        )
    return source


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
