"""From a source beside this file to a library of operations in the user's cache, with whatever compiler there is.

A library lies in `$XDG_CACHE_HOME/kres/compiled` (`~/.cache` by default), is written whole or not at all, and bears a
digest of all that it was made of; one of its bytes lies beside it. Both may be deleted at any time.
"""

import hashlib
import logging
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import PIL
import tensorflow as tf

from kres.caching import user_cache
from kres.writing import write_atomically

logger = logging.getLogger(__name__)

Command = tuple[str, ...]

COMPILERS = ("c++", "g++", "clang++")
TIMEOUT_S = 300

# A multiplication fused with an addition would round otherwise than TensorFlow's own operations do.
FLAGS = ("-std=c++17", "-O3", "-march=native", "-ffp-contract=off", "-fPIC", "-shared")


class NotBuiltError(RuntimeError):
    """Operations cannot be had here; the message is a phrase that says why."""


def build(source: Path, prove: Callable[[ModuleType], None]) -> ModuleType:
    """The operations of a C++ `source` that uses TensorFlow's C interface and libjpeg-turbo's, once `prove` took them.

    Raises NotBuiltError where there is no compiler, no libjpeg-turbo, or what they make cannot be loaded or proven;
    `prove` may raise it, too.
    """
    compiler = _compiler()
    errors = []
    for libjpeg in _libjpegs():
        try:
            return _usable(source, compiler, libjpeg, prove)
        except (NotBuiltError, OSError, RuntimeError) as error:  # a cache that is closed, or no home at all
            errors.append(str(error))
    raise NotBuiltError("; ".join(dict.fromkeys(errors)))


def _compiler() -> Command:
    """What $CXX says, which may be several words, or the first compiler that is there."""
    candidates = [shlex.split(os.environ["CXX"])] if os.environ.get("CXX") else [[name] for name in COMPILERS]
    for words in candidates:
        if shutil.which(words[0]):
            return tuple(words)
    raise NotBuiltError(f"no compiler {', '.join(words[0] for words in candidates)} on the PATH")


def _libjpegs() -> Iterator[Command]:
    """Flags by which a compiler finds libjpeg-turbo: Pillow's, with TensorFlow's headers of it, or the system's."""
    site = Path(PIL.__file__).parents[1]
    for library in [*site.glob("pillow.libs/libjpeg*.so*"), *site.glob("PIL/.dylibs/libjpeg*.dylib")]:
        headers = Path(tf.sysconfig.get_include(), "external", "libjpeg_turbo")
        yield f"-I{headers}", str(library), f"-Wl,-rpath,{library.parent}"
    yield ("-ljpeg",)


def _usable(source: Path, compiler: Command, libjpeg: Command, prove: Callable[[ModuleType], None]) -> ModuleType:
    tensorflow = [f"-I{tf.sysconfig.get_include()}", *tf.sysconfig.get_link_flags()]
    command = [*compiler, *FLAGS, str(source), *tensorflow, *libjpeg]
    library = _place(source, compiler, command)
    if not _is_whole(library):
        _compile(command, library)
    return _loaded(library, prove)


def _place(source: Path, compiler: Command, command: list[str]) -> Path:
    """Where the library of this very source, command and processor lies."""
    # Machines that share a home may have other processors, which the macros tell apart; they tell of the compiler, too.
    macros = _run([*compiler, *FLAGS, "-dM", "-E", "-x", "c++", os.devnull])
    texts = [path.read_text() for path in sorted(source.parent.iterdir()) if path.suffix in (".cc", ".h")]
    digest = hashlib.sha256("\n".join([tf.__version__, *command, macros, *texts]).encode())
    return user_cache() / "kres" / "compiled" / f"{source.stem}-{digest.hexdigest()[:24]}.so"


def _is_whole(library: Path) -> bool:
    """Whether a library is as it was written: to load a part of one ends the process."""
    try:
        return _written_digest(library).read_text() == _digest(library)
    except FileNotFoundError:
        return False


def _digest(library: Path) -> str:
    return hashlib.sha256(library.read_bytes()).hexdigest()


def _written_digest(library: Path) -> Path:
    return library.with_suffix(".sha256")


def _compile(command: list[str], library: Path) -> None:
    library.parent.mkdir(parents=True, exist_ok=True)
    logger.info("Compiling an operation for this machine, once: %s", library)
    write_atomically(library, lambda aside: _run([*command, "-o", str(aside)]))
    write_atomically(_written_digest(library), lambda aside: aside.write_text(_digest(library)))


def _run(command: list[str]) -> str:
    """What a compiler writes to standard output; NotBuiltError with its first error where it fails."""
    english = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command,
            check=True,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            env=english,
            start_new_session=True,  # Ctrl-C means the run, which ends in good order; a second later this is done
        )
    except subprocess.TimeoutExpired as error:
        raise NotBuiltError(str(error)) from error
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or ["it said nothing"]
        said = next((line for line in lines if "error" in line), lines[-1])
        raise NotBuiltError(f"{Path(command[0]).name} failed: {said}") from error
    return done.stdout


def _loaded(library: Path, prove: Callable[[ModuleType], None]) -> ModuleType:
    try:
        operations = tf.load_op_library(str(library))
        prove(operations)
    # Without the attribute the operations were not registered: those of another library bear their names here.
    except (tf.errors.OpError, OSError, AttributeError) as error:
        raise NotBuiltError(f"{library} cannot be used: {error}") from error
    return operations
