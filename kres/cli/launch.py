"""`kres launch`: another `kres` command as several worker processes on this machine."""

import json
import logging
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
import typer.core
import typer.main

from kres.cli.supervision import GRACE_SECONDS, Command, Ended, launch

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"
# -P: the folder where the user stands must not lend its modules.
KRES = (sys.executable, "-P", "-c", "import kres_command; kres_command.main()")
DATA_WORKER = (sys.executable, "-P", "-c", "from kres.training.data.service import main; main()")
PROGRAM = "kres"
THREADS = ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS")
LAUNCHED = "train"
# Finished; refused with a message; a loss that is not finite; asked to stop by SIGINT or SIGTERM.
NOT_RESTARTED = (0, 2, 3, 130, 143)


def launch_(
    words: Annotated[
        list[str], typer.Argument(metavar="-- train ...", help="The kres train command of each worker, to its end.")
    ],
    workers: Annotated[int, typer.Option(min=1, help="How many worker processes.")] = 1,
    port: Annotated[int | None, typer.Option(help="Port of the first worker; the others have those after it.")] = None,
    devices: Annotated[int | None, typer.Option(min=1, help="GPUs of a worker; else all are shared out.")] = None,
    data_workers: Annotated[int, typer.Option(min=0, help="Processes that compute the input (tf.data service).")] = 0,
    log_dir: Annotated[Path | None, typer.Option(help="Folder for worker-0.log and so on.")] = None,
    restarts: Annotated[int, typer.Option(min=0, help="How often to go on with --resume when a worker dies.")] = 0,
    grace_seconds: Annotated[float, typer.Option(min=0, help="From a request to end to SIGKILL.")] = GRACE_SECONDS,
) -> None:
    """Run kres train as several workers that train together: kres launch --workers 2 -- train ...

    CPUs and GPUs are shared out among the workers. When one dies the others are stopped, and the exit code is that of
    the first that failed. Ctrl-C and SIGTERM are passed on, so that the run is saved and ends with 130 or 143; with 137
    where a worker had to be killed and the run is where its last checkpoint was: after the grace time, or at a second
    signal that comes a second later or more.
    """
    words = words[1:] if words[0] == PROGRAM else words
    check_command(words)
    if words[0] != LAUNCHED:
        raise ValueError(f"workers train together, by kres {LAUNCHED} and nothing else. Received: command={words[0]!r}")
    environments = [
        {**threads_of(workers), **gpus} for gpus in share_gpus(visible_gpus(), workers=workers, devices=devices)
    ]

    def attempt(words: Sequence[str]) -> Ended:
        fixed = [0] * workers if port is None else [port + place for place in range(workers)]
        addresses = [f"{HOST}:{number}" for number in free_ports([*fixed, *[0] * data_workers])]
        cluster, services = addresses[:workers], addresses[workers:]
        shared = {"KRES_DATA_SERVICE": ",".join(services)} if services else {}
        return launch(
            [
                Command(
                    name=f"worker-{place}",
                    tag=str(place),
                    words=[*KRES, *words],
                    environment={**shared, **environment, "TF_CONFIG": tf_config(cluster, place)},
                )
                for place, environment in enumerate(environments)
            ],
            services=[
                Command(name=f"data-{place}", tag=f"data {place}", words=[*DATA_WORKER, address.split(":")[1]])
                for place, address in enumerate(services)
            ],
            log_dir=log_dir,
            grace_seconds=grace_seconds,
        )

    ended = attempt(words)
    for restart in range(restarts):
        if ended.asked or ended.code in NOT_RESTARTED:
            break
        logger.warning("restart %d of %d, from the last checkpoint", restart + 1, restarts)
        ended = attempt(words if "--resume" in words else [*words, "--resume"])
    if ended.code:
        raise typer.Exit(ended.code)


def check_command(words: Sequence[str]) -> None:
    """Refuse what is no command line of kres as that command would, before any worker starts."""
    from kres.cli.app import app  # which knows this command, too

    command, rest = typer.main.get_command(app), list(words)
    context = typer.Context(command, info_name=PROGRAM)
    while isinstance(command, typer.core.TyperGroup):
        _, rest, _ = command.make_parser(context).parse_args(rest)
        if not rest:
            context.fail(f"Missing command. Received: {' '.join(words)!r}")
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None  # or an error was raised
        command = found
        context = typer.Context(command, info_name=name, parent=context)
    command.make_context(context.info_name, rest, parent=context.parent)


def tf_config(cluster: Sequence[str], index: int) -> str:
    """The TF_CONFIG of a worker."""
    return json.dumps({"cluster": {"worker": list(cluster)}, "task": {"type": "worker", "index": index}})


def free_ports(wanted: Sequence[int]) -> list[int]:
    """The ports of `wanted` (0: any free one), all of them free a moment ago.

    Raises ValueError when one is in use or is none.
    """
    with ExitStack() as held:  # all at once, so that none comes twice
        ports = []
        for port in wanted:
            if not 0 <= port < 2**16:
                raise ValueError(f"a port lies in 1..65535. Received: port={port}")
            try:
                listener = held.enter_context(socket.create_server((HOST, port)))
            except OSError as error:
                raise ValueError(f"no worker can listen at port {port}: {error}. Received: port={port}") from error
            ports.append(listener.getsockname()[1])
    return ports


def threads_of(workers: int, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables that give each of `workers` its part of the CPUs, where the user has not set them."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {name: str(max(cpus // workers, 1)) for name in THREADS if name not in environ}


def visible_gpus() -> list[str]:
    """The GPUs that TensorFlow sees, as CUDA_VISIBLE_DEVICES names them."""
    import tensorflow as tf

    count = len(tf.config.list_physical_devices("GPU"))
    named = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return named[:count] or [str(number) for number in range(count)]


def share_gpus(gpus: Sequence[str], *, workers: int, devices: int | None) -> list[dict[str, str]]:
    """What each worker's environment says of its GPUs: nothing where there are none.

    Raises ValueError when they do not give each worker `devices`, or as many as the others.
    """
    from kres.training.distribution.gpus import share

    shares = share(gpus, workers=workers, devices=devices)
    return [{"CUDA_VISIBLE_DEVICES": ",".join(each)} if each else {} for each in shares]
