"""Names of published weights: what a user may write for them, and whether they may be used."""

import fnmatch
import os
from pathlib import Path

from kres.lookup import look_up
from kres.specs import Spec
from kres.weights import hub
from kres.weights.catalog import DEFAULT, PUBLISHED, Published
from kres.weights.files import SUFFIXES
from kres.weights.layout import CONFIG, SCHEME, repository_in
from kres.zoo import ROWS


def list_models(pattern: str = "*", *, pretrained: bool = False) -> list[str]:
    """Names of the zoo's networks, sorted, that match a shell pattern such as `resnext*`.

    With `pretrained` the names of published weights, such as `resnet50.a1_in1k`, whose network or whole name matches;
    the first of a network is what `weights="imagenet"` stands for.
    """
    if not pretrained:
        return sorted(fnmatch.filter(ROWS, pattern))
    names = (name for name in PUBLISHED if fnmatch.filter((name, network_of(name)), pattern))
    return sorted(names, key=network_of)


def network_of(name: str) -> str:
    """The network of published weights: `resnet50.a1_in1k` -> `resnet50`."""
    return name.partition(".")[0]


def tags_of(network: str) -> dict[str, str]:
    """A network's published tags and their names in the catalogue; the first is what `imagenet` stands for."""
    return {name.partition(".")[2]: name for name in PUBLISHED if network_of(name) == network}


def published_name(source: str, network: str | Spec | None = None) -> str:
    """The catalogue's name, "resnet50.a1_in1k", of "timm/resnet50.a1_in1k" or, with the network known, of a mere tag.

    Raises:
        ValueError: nothing is published under that name, or not for this network.
    """
    origin, _, tag = source.rpartition("/")
    row = network if isinstance(network, str) else None
    ours = {} if row is None else tags_of(row)
    if tag == DEFAULT and ours:
        tag = next(iter(ours))
    name = ours.get(tag, tag)
    if name not in PUBLISHED and network is not None:
        known = (
            "A Spec of one's own has no tags, and takes whole names such as resnet50.a1_in1k."
            if row is None
            else f"Published for {row}: {', '.join(ours) or 'nothing'}."
        )
        of = "" if row is None else f" of {row}"
        raise ValueError(
            f"That is no published tag{of} and no file ({', '.join(SUFFIXES)}), folder with a {CONFIG} or "
            f"{SCHEME}owner/name. {known} Received: {source!r}"
        )
    if name in ROWS:
        raise ValueError(
            f"{name} is a network; say which of its published weights: {', '.join(tags_of(name).values()) or 'none'}. "
            f"Received: {source!r}"
        )
    published = look_up(PUBLISHED, name, what="published weights file")
    if origin not in ("", published.origin):
        raise ValueError(f"{name} is published by {published.origin!r}. Received: {source!r}")
    if row is not None and name not in ours.values():
        raise ValueError(f"{name} is of another network than {row}. Received: {source!r}")
    return name


def find_published(
    source: str | os.PathLike[str], network: str | Spec | None = None, *, accept_licence: bool = False
) -> tuple[str, Published] | None:
    """The catalogue's name and row of what a user calls weights, or None for those that it does not know.

    A repository of the Hugging Face hub that the catalogue knows is what it says there, by whichever name.

    Raises:
        ValueError: neither a path nor a published tag, or a tag whose licence forbids commercial use and was not
            accepted.
    """
    name = _published_in_hub(source) if _is_path(source) else published_name(str(source), network)
    if name is None:
        return None
    published = PUBLISHED[name]
    if published.non_commercial and not accept_licence:
        free = [tag for tag, other in tags_of(network_of(name)).items() if not PUBLISHED[other].non_commercial]
        raise ValueError(
            f"{name} is published under {published.licence}, which forbids commercial use. If you use it as that "
            "licence allows, say accept_licence=True, or --accept-licence on the command line. "
            f"Free for any use of {network_of(name)}: {', '.join(free) or 'nothing'}. "
            f"Received: accept_licence={accept_licence!r}"
        )
    return name, published


def check_source(source: str, network: str | Spec) -> None:
    """Refuse weights that can be none of a network, by their name alone: ValueError for one that is no published tag.

    What looks like a path (it has a folder or the suffix of a weights file) is taken for one: it may be on another
    machine. A tag's licence must allow commercial use.
    """
    origin, slash, _ = source.rpartition("/")
    has_folder = bool(slash) and origin not in {row.origin for row in PUBLISHED.values()}
    if source.startswith(SCHEME) or not (has_folder or source.lower().endswith(tuple(SUFFIXES))):
        find_published(source, network)


def _is_path(source: str | os.PathLike[str]) -> bool:
    if isinstance(source, os.PathLike):
        return True
    if not isinstance(source, str) or not source:
        raise ValueError(f"A weights source is a tag or a path. Received: source={source!r}")
    if source.startswith(SCHEME) or source.lower().endswith(tuple(SUFFIXES)):
        return True
    path = Path(source).expanduser()
    return path.is_file() or (path / CONFIG).is_file()  # any other folder may well be called `imagenet`


def _published_in_hub(source: str | os.PathLike[str]) -> str | None:
    """The catalogue's name of `hf://owner/name`; the hub takes either case of a letter."""
    repository = repository_in(source)
    if repository is None:
        return None
    known = ((name, hub.repository_of(name, published)) for name, published in PUBLISHED.items())
    return next((name for name, own in known if own is not None and own.lower() == repository.lower()), None)
