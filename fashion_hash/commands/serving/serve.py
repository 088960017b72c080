"""Answer over HTTP, and show pages that people use."""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_hash.commands.run_command import Parser, run_command
from fashion_hash.core.extras import require_extra

if TYPE_CHECKING:
    from fashion_hash.index.engines.open import EngineName

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = Parser(
        prog=prog,
        description="Answer over HTTP from one bundle or several, until Ctrl-C or SIGTERM.",
        epilog="GET /openapi.json describes the routes; /docs shows them.",
    )
    add_options(parser)
    return run_command(parser, serve, argv)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of a service."""
    parser.add_argument(
        "bundles", nargs="*", metavar="[NAME=]BUNDLE", help="bundle folders; with several each needs a name"
    )
    parser.add_argument(
        "--split", metavar="90,10", help="how many of the users each bundle answers; default: equally many"
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on; default: %(default)s")
    parser.add_argument("--port", type=int, default=8000, help="0 for any that is free; default: %(default)s")
    parser.add_argument(
        "--workers",
        type=int,
        default=min(4, os.cpu_count() or 1),
        help="how many processes answer; default: one a core, at most 4",
    )
    parser.add_argument(
        "--threads", type=int, default=2, help="questions that a process answers at once; default: %(default)s"
    )
    parser.add_argument(
        "--queue", type=int, default=64, help="questions that wait in a process; more get 503; default: %(default)s"
    )
    parser.add_argument("--tokens", metavar="FILE", help="hashed tokens; without them nothing can be changed over HTTP")
    parser.add_argument(
        "--new-token", choices=("read", "write"), help="make a token, add its digest to --tokens FILE, print it and end"
    )
    parser.add_argument(
        "--host-name", action="append", default=[], metavar="NAME", help="a name this service is reached by"
    )
    parser.add_argument(
        "--without-token", action="store_true", help="let anyone read who reaches an address beyond this machine"
    )
    parser.add_argument("--state", metavar="DIR", help="where feedback is kept; default: service/ in the first bundle")
    parser.add_argument("--no-verify", action="store_true", help="compare only sizes of files, which starts faster")
    parser.add_argument("--no-access-log", action="store_true", help="do not log every request")


def serve(args: argparse.Namespace, engine: EngineName = "auto") -> int:
    """Serves until it is told to end; returns the exit status. See Recommender.load for `engine`."""
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(variable, "1")  # before numpy is loaded: cores belong to workers, not to one answer
    with tempfile.TemporaryDirectory(prefix="fashion_hash_serve.") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder  # before prometheus_client is loaded: workers are added up
        os.environ.setdefault(
            "PYDANTIC_DISABLE_PLUGINS", "__all__"
        )  # it would read what every installed package offers
        gc.disable()  # nothing of what is imported now is garbage; workers enable it again
        try:
            return _serve_with(args, Path(folder), engine)
        finally:
            gc.enable()


def _serve_with(args: argparse.Namespace, shared: Path, engine: EngineName) -> int:
    require_extra("serve", "fashion-hash serve", "fastapi", "uvicorn", "httptools", "prometheus_client")
    from fashion_hash.errors import ConfigError
    from fashion_hash.serving.security import is_loopback, new_token, read_tokens

    tokens = Path(args.tokens) if args.tokens else None
    if args.new_token:
        if tokens is None:
            raise ConfigError("--new-token needs --tokens FILE, the file that its digest is added to")
        print(new_token(tokens, args.new_token))
        return 0
    for name, number in (("--workers", args.workers), ("--threads", args.threads), ("--queue", args.queue)):
        if number < 1:
            raise ConfigError(f"{name} must be at least 1, got {number}")
    if not 0 <= args.port < 65_536:
        raise ConfigError(f"--port must be from 0 to 65535, got {args.port}")
    known = read_tokens(tokens) if tokens else None
    local = is_loopback([args.host])
    if not local and not known and not args.without_token:
        raise ConfigError(
            f"--host {args.host} is reached from other machines: make a token with --new-token read --tokens FILE, or "
            "let anyone read with --without-token"
        )
    from fashion_hash.serving.models import named_bundles
    from fashion_hash.serving.settings import Settings
    from fashion_hash.serving.workers.run import bind, run
    from fashion_hash.serving.workers.worker import Worker

    named_bundles(args.bundles)
    hosts = (
        tuple({*args.host_name, *((*LOOPBACK_NAMES, args.host) if local else ())}) if local or args.host_name else ()
    )
    settings = Settings(
        tokens=tokens,
        open_reads=local or args.without_token,
        hosts=hosts,
        state=Path(args.state) if args.state else None,
        workers=args.workers,
        threads=args.threads,
        queue=args.queue,
        access_log=not args.no_access_log,
        engine=engine,
        shared=shared,
    )
    worker = Worker(tuple(args.bundles), args.split, settings, not args.no_verify, known)
    return run(worker, bind(args.host, args.port), lambda url: print(f"serving at {url}", file=sys.stderr, flush=True))
