"""What CHECKPOINT_OR_MODEL and --data name on the command line: a model, and images that go with it."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import keras

import kres
from kres.choices import check_choice
from kres.cli import checks
from kres.decoding import imagenet_classes
from kres.export.conversion.models import sized
from kres.preprocessing import PRESETS, Preprocess

if TYPE_CHECKING:
    from kres.training.data import Source

logger = logging.getLogger(__name__)


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
    path = checks.expanded(checks.source(source))
    if path.is_dir() or path.suffix == ".keras":
        options = {"--weights": weights, "--classes": classes}
        if given := [name for name, value in options.items() if value is not None]:
            raise ValueError(f"a saved model knows its weights and classes. Received: {' '.join(given)}")
        named = _saved(path, checkpoint or "last")
        named = replace(named, model=sized(named.model, image_size))
        return named if preprocess is None else replace(named, preprocess=_preset(named.model, preprocess))
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
    check_choice(name, "preprocess", PRESETS)
    height, _, channels = model.input_shape[1:]
    if height is None:
        raise ValueError("a model that takes any size needs --image-size beside --preprocess. Received: none")
    return Preprocess(size=height, **PRESETS[name]).for_channels(channels)


def _saved(path: Path, checkpoint: str) -> Named:
    from kres.training.checkpoints import check_which
    from kres.training.loading import load_model
    from kres.training.workdir import RUN, read_run

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
