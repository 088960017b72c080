"""Runs the service: binds the socket, starts the workers, and starts those again that die."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from fashion_hash.errors import ConfigError
from fashion_hash.serving.http.connections import BoundedConnection
from fashion_hash.serving.metrics import FOLDER
from fashion_hash.serving.workers.worker import Worker, log_to_stderr

BACKLOG = 2048  # connections that the system keeps while nobody accepts them
KEEP_ALIVE = 75  # seconds that a connection may be idle; longer than the proxies in front usually wait
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
        listening: the socket that all of them accept from, so that connections wait while one is started again.
        say: is told when the processes were started.
    """
    raise_file_limit()
    log_to_stderr()
    settings = worker.settings
    config = uvicorn.Config(
        worker,
        factory=True,
        workers=settings.workers,
        http=BoundedConnection,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=int(settings.drain_seconds),
        timeout_worker_healthcheck=30,
    )
    host, port = listening.getsockname()[:2]
    say(f"http://{f'[{host}]' if ':' in host else host}:{port}")
    if settings.workers == 1:
        server = uvicorn.Server(config)
        server.run([listening])
        return 0 if server.started else 1
    with tempfile.TemporaryDirectory(prefix="fashion_hash_metrics.") as folder:
        os.environ[FOLDER] = folder
        supervisor = Multiprocess(config, [listening])
        supervisor.run()
    return 1 if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes) else 0


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
