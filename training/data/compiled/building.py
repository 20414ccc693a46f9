"""From a source beside this file to a library of operations in the user's cache, with whatever compiler there is.

A library lies in `$XDG_CACHE_HOME/kres/compiled` (`~/.cache` by default), is written whole or not at all, and bears a
digest of all that it was made of. It may be deleted at any time.
"""

import hashlib
import logging
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import PIL
import tensorflow as tf

from kres.caching import user_cache
from kres.writing import write_atomically

logger = logging.getLogger(__name__)

COMPILERS = ("c++", "g++", "clang++")
TIMEOUT_S = 300

# A multiplication fused with an addition would round otherwise than TensorFlow's own operations do.
FLAGS = ("-std=c++17", "-O3", "-march=native", "-ffp-contract=off", "-fPIC", "-shared")


class NotBuiltError(RuntimeError):
    """Operations cannot be compiled or loaded here; the message is a phrase that says why."""


def build(source: Path) -> ModuleType:
    """The operations of a C++ `source` that uses TensorFlow's C interface and libjpeg-turbo's.

    Raises NotBuiltError where there is no compiler, no libjpeg-turbo, or what they make cannot be loaded.
    """
    compiler = _compiler()
    errors = []
    for libjpeg in _libjpegs():
        try:
            library = _compiled(source, compiler, libjpeg)
            try:
                return _loaded(library)
            except NotBuiltError:  # what lies there may be damaged
                library.unlink(missing_ok=True)
                return _loaded(_compiled(source, compiler, libjpeg))
        except NotBuiltError as error:
            errors.append(str(error))
    raise NotBuiltError("; ".join(dict.fromkeys(errors)))


def _compiler() -> str:
    wanted = os.environ.get("CXX")
    found = next(filter(None, map(shutil.which, [wanted] if wanted else COMPILERS)), None)
    if found is None:
        raise NotBuiltError(f"no compiler {wanted or ', '.join(COMPILERS)} on the PATH")
    return found


def _libjpegs() -> Iterator[tuple[str, ...]]:
    """Flags by which a compiler finds libjpeg-turbo: Pillow's, with TensorFlow's headers of it, or the system's."""
    site = Path(PIL.__file__).parents[1]
    for library in [*site.glob("pillow.libs/libjpeg*.so*"), *site.glob("PIL/.dylibs/libjpeg*.dylib")]:
        headers = Path(tf.sysconfig.get_include(), "external", "libjpeg_turbo")
        yield f"-I{headers}", str(library), f"-Wl,-rpath,{library.parent}"
    yield ("-ljpeg",)


def _compiled(source: Path, compiler: str, libjpeg: tuple[str, ...]) -> Path:
    tensorflow = [f"-I{tf.sysconfig.get_include()}", *tf.sysconfig.get_link_flags()]
    command = [compiler, *FLAGS, str(source), *tensorflow, *libjpeg]
    # Machines that share a home may have other processors, which the macros tell apart; they tell of the compiler, too.
    macros = _run([compiler, *FLAGS, "-dM", "-E", "-x", "c++", os.devnull])
    made_of = "\n".join([source.read_text(), tf.__version__, *command, macros])
    digest = hashlib.sha256(made_of.encode()).hexdigest()[:24]
    library = user_cache() / "kres" / "compiled" / f"{source.stem}-{digest}.so"
    if library.exists():
        return library
    logger.info("Compiling %s for this machine, once: %s", source.name, library)
    try:
        library.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(library, lambda aside: _run([*command, "-o", str(aside)]))
    except OSError as error:
        raise NotBuiltError(str(error)) from error
    return library


def _run(command: list[str]) -> str:
    """What a compiler writes to standard output; NotBuiltError with its first error where it fails."""
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=TIMEOUT_S)
    except (subprocess.TimeoutExpired, OSError) as error:
        raise NotBuiltError(str(error)) from error
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or ["without a word"]
        said = next((line for line in lines if "error" in line), lines[-1])
        raise NotBuiltError(f"{Path(command[0]).name} failed: {said}") from error
    return done.stdout


def _loaded(library: Path) -> ModuleType:
    try:
        return tf.load_op_library(str(library))
    except (tf.errors.OpError, OSError, RuntimeError) as error:
        raise NotBuiltError(f"{library} cannot be loaded: {error}") from error
