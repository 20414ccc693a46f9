"""Words of the library for people at a shell: options instead of Python's arguments, paragraphs without line breaks."""

import inspect
import re
from collections.abc import Sequence
from functools import partial
from typing import Any

QUOTES = "'\""
VALUE = r"""'[^']*'|"[^"]*"|[^\s,;()\[\]{}'"]*[^\s,;.()\[\]{}'"]"""


def in_options(message: str, command: Any, words: Sequence[str]) -> str:
    """An error `message` of the library, with the arguments that `command` (or its subcommand) takes as options.

    `seed='x'` becomes `--seed x`, and so does `seed` at the start where `Received: seed=` follows: without that, the
    word may be plain English (every, labels). What is no option of the command that `words` call stays as it is.
    """
    for word in words:
        command = getattr(command, "commands", {}).get(word, command)
    for parameter in command.params:
        option = parameter.opts[0]
        # Where the library's word is Python's own, or several are taken, the option has the library's name.
        names = "|".join({parameter.name, option.strip("-").replace("-", "_")})
        if not option.startswith("--"):
            continue
        message = re.sub(rf"^({names})(?= (?!and ).*Received: .*(?<![\w.-])\1=)", option, message, flags=re.DOTALL)
        if parameter.is_flag:
            message = re.sub(rf"(?<![\w.-])(?:{names})=True", option, message)
        else:
            message = re.sub(rf"(?<![\w.-])(?:{names})=({VALUE})", partial(_as_option, option), message)
    return message


def _as_option(option: str, found: re.Match[str]) -> str:
    value = found[1]
    return f"{option} {value[1:-1] if value[0] in QUOTES else value}"


def unwrapped(text: str | None) -> str:
    """A docstring with a line a paragraph, for a terminal to break where it ends."""
    return "\n\n".join(" ".join(part.split()) for part in inspect.cleandoc(text or "").split("\n\n"))
