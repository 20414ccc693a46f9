"""A model to others: a local folder in the Hugging Face hub's layout and, given a token, a repository there."""

import json
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import keras

from kres.weights.card import Measured, card, licence_of, use_of_folder
from kres.weights.layout import CARD, CONFIG, FILES, MODEL, WEIGHTS, classes_of, configuration, is_repository
from kres.weights.saving import check_network, export_weights
from kres.writing import folder_atomically

logger = logging.getLogger("kres")


class UploadError(OSError):
    """A model could not be uploaded; the message says what to do, and the local folder is whole."""


def push(
    model: keras.Model,
    folder: str | os.PathLike[str],
    *,
    to: str | None = None,
    token: str | None = None,
    private: bool = False,
    licence: str | None = None,
    labels: Sequence[str] | None = None,
    measured: Measured | None = None,
    notes: str = "",
    overwrite: bool = False,
) -> str | None:
    """Write a model with its card into a folder in the Hugging Face hub's layout and, with `to`, upload that.

    The folder holds `model.keras`, `model.safetensors` under timm's names, `config.json` as timm writes it, and the
    card, `README.md`. `kres.load_weights` reads it and the repository (`hf://owner/name`), and so does timm where it
    has the architecture.

    Args:
        model: a network of `kres.build`.
        folder: a new or empty folder; it has its name only when it is whole.
        to: `owner/name` of a repository of the hub, made where there is none.
        token: of an account that may write there; by default `HF_TOKEN` or what `hf auth login` keeps.
        private: make a new repository private.
        licence: for the card, as the hub writes them: `apache-2.0`; by default that of published weights.
        labels: the classes' names, in the network's order.
        measured: for the card.
        notes: Markdown for the end of the card, such as how the model was trained.
        overwrite: replace a folder that holds such files and nothing else.

    Returns:
        The URL of the commit; None without `to`.

    Raises:
        ValueError: a model that `kres.build` did not make, labels of another number than classes, a licence that the
            weights' own forbids, or no repository's name.
        FileExistsError: the folder has something else in it, or no `overwrite`, or is the current directory.
        UploadError: no token, one that may not write there, no network, or a fault of the hub.
    """
    check_network(model)
    folder = Path(folder).expanduser().resolve()
    _check_folder(folder, overwrite=overwrite)
    names = None if labels is None else tuple(map(str, labels))
    if names is not None and len(names) != classes_of(model):
        raise ValueError(
            f"`labels` names each of the network's {classes_of(model)} classes. Received: {len(names)} labels"
        )
    licence = licence_of(model, licence)
    if to is not None:
        token = _checked_token(to, token)
    with folder_atomically(folder) as aside:
        export_weights(model, aside / WEIGHTS)
        model.save(aside / MODEL)
        (aside / CONFIG).write_text(json.dumps(configuration(model, labels=names), indent=2) + "\n", encoding="utf-8")
        title = to.partition("/")[2] if to is not None else folder.name
        text = card(
            model,
            licence=licence,
            labels=names,
            measured=measured,
            title=title,
            use=use_of_folder(model),
            notes=notes,
        )
        (aside / CARD).write_text(text, encoding="utf-8")
    return None if to is None else _upload(folder, to, token=token, private=private)


def _check_folder(folder: Path, *, overwrite: bool) -> None:
    if not folder.parent.is_dir():
        raise NotADirectoryError(f"A folder needs a directory that exists. Received: folder={str(folder)!r}")
    if not folder.exists():
        return
    if not folder.is_dir():
        raise FileExistsError(f"There is a file of that name. Received: folder={str(folder)!r}")
    if folder.samefile(Path.cwd()):
        raise FileExistsError(
            "A folder is replaced as a whole, which would take the current directory from under you: name one in it, "
            f"or go elsewhere. Received: folder={str(folder)!r}"
        )
    found = sorted(os.listdir(folder))
    if others := [name for name in found if name not in FILES]:
        raise FileExistsError(
            f"A model gets a folder of its own; this one holds {others[0]}"
            f"{f' and {len(others) - 1} more' if others[1:] else ''}. Received: folder={str(folder)!r}"
        )
    if found and not overwrite:
        raise FileExistsError(
            "The folder holds a model: give another, or `overwrite=True` (`--force`) to replace it. "
            f"Received: folder={str(folder)!r}"
        )


def _checked_token(to: str, token: str | None) -> str:
    """The token to use: before the long work, what would stop the upload for certain."""
    from huggingface_hub import get_token

    if not is_repository(to):
        raise ValueError(f"A repository of the hub is `owner/name`. Received: to={to!r}")
    token = token or get_token()
    if token is None:
        raise UploadError(
            "An upload needs a token that may write: `hf auth login`, the environment variable HF_TOKEN, or `token=` "
            f"(`--token`). Nothing was written. Received: to={to!r}, token=None"
        )
    return token


def _upload(folder: Path, to: str, *, token: str | None, private: bool) -> str:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    api = HfApi(token=token, library_name="kres")
    try:
        api.create_repo(to, private=private or None, exist_ok=True)
        commit = api.upload_folder(repo_id=to, folder_path=folder, commit_message="Upload a model of kres")
    except (OSError, HTTPError, RuntimeError, ValueError) as error:  # what it raises of the hub, network and answers
        causes = list(_causes(error))
        reason = str(causes[-1]).strip().partition("\n")[0] or type(causes[-1]).__name__
        raise UploadError(
            f"{folder} is whole, but could not be uploaded to {to}: {_advice(causes)}. Then upload it: "
            f"`hf upload {to} {folder} .` ({reason})"
        ) from error
    logger.info("%s is uploaded: %s", folder, commit.commit_url)
    return str(commit.commit_url)


def _advice(causes: list[BaseException]) -> str:
    # Where no answer came, an error has no `response`, or None there.
    responses = (getattr(cause, "response", None) for cause in causes)
    status = next((response.status_code for response in responses if response is not None), None)
    if status is None:
        return "check the network and the proxy (HF_HUB_OFFLINE forbids uploads too)"
    if status == 401:
        return "the token is not valid (any more): make one at huggingface.co/settings/tokens, and `hf auth login`"
    if status in (403, 404):
        return "the token's account may not write there: it needs the write permission, and membership of the owner"
    if status == 429:
        return "too many requests: wait some minutes"
    return "the hub refused the files" if status < 500 else "the hub has a fault: wait a while"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, what it was raised from, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
