"""Runs the service: binds the socket, warms what the workers share, and hands over to the supervisor."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from dataclasses import replace

from fashion_hash.errors import ConfigError
from fashion_hash.index.engines.open import defer_kernels
from fashion_hash.serving.models import Models
from fashion_hash.serving.workers.supervisor import BACKLOG, Supervisor
from fashion_hash.serving.workers.warm import warm
from fashion_hash.serving.workers.worker import Worker, log_to_stderr

MOST_FILES = 65_536


def bind(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        ConfigError: the address cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host.strip("[]"), port))
    except OSError as error:
        listening.close()
        raise ConfigError(f"{host}:{port} cannot be used ({error.strerror}): choose another --port or --host") from None
    listening.listen(BACKLOG)
    listening.set_inheritable(True)
    return listening


def run(worker: Worker, listening: socket.socket, say: Callable[[str], None]) -> int:
    """Serves until SIGTERM or SIGINT; answers in progress end first. Returns the exit status.

    Args:
        worker: makes the application, in each process.
        listening: the socket that all of them accept from.
        say: is told the address before the workers are started; connections wait until they are ready.

    Raises:
        BundleError: a bundle cannot be opened, or does not answer.
    """
    raise_file_limit()
    log_to_stderr()
    forks = sys.platform == "linux"  # elsewhere workers share nothing that is loaded here
    defer_kernels(forks)
    warm_all(worker)
    host, port = listening.getsockname()[:2]
    say(f"http://{f'[{host}]' if ':' in host else host}:{port}")
    worker = replace(worker, verify=False)

    def load() -> None:
        defer_kernels(False)
        warm_all(worker)

    return Supervisor(worker, listening, load if forks else None).run()


def warm_all(worker: Worker) -> None:
    """Opens the bundles, lets each answer, and closes them: workers open their own; what was compiled stays."""
    for model in Models.open(worker.bundles, worker.split, verify=worker.verify):
        warm(model.recommender)
        model.recommender.close()


def raise_file_limit() -> None:
    """Allows as many open files, and so connections, as the system lets this process have."""
    try:
        import resource
    except ImportError:  # Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
