"""Answer over HTTP, with pools divided among the machines of a Ray cluster."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from multiprocessing import get_context
from typing import TYPE_CHECKING

from fashion_hash.commands.run_command import Parser, printing, run_command
from fashion_hash.commands.serving.serve import add_options, serve
from fashion_hash.core.extras import require_extra

if TYPE_CHECKING:
    from fashion_hash.cluster.engine import Cluster


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = Parser(
        prog=prog,
        description="Answer over HTTP as `fashion-hash serve` does. Each pool is searched in shards by actors of a Ray "
        "cluster; every machine of it reads the bundle folders at the same paths.",
        epilog="Answers are those of one machine, bit for bit. Compositions, filters and changes are computed here.",
    )
    parser.add_argument("--shards", type=int, default=2, help="parts that a pool is divided into; default: %(default)s")
    parser.add_argument(
        "--replicas", type=int, default=2, help="actors that answer for each shard; default: %(default)s"
    )
    parser.add_argument(
        "--address",
        metavar="HOST:PORT",
        help="of a Ray cluster that runs, or `auto`; by default nodes are started on this machine",
    )
    parser.add_argument(
        "--nodes", type=int, default=1, help="Ray nodes to start where there is no --address; default: %(default)s"
    )
    parser.add_argument(
        "--shard-seconds",
        type=float,
        default=30.0,
        metavar="S",
        help="a shard that does not answer within so many seconds is an error; default: %(default)g",
    )
    add_options(parser)
    return run_command(parser, _cluster, argv)


def _cluster(args: argparse.Namespace) -> int:
    require_extra("ray", "fashion-hash cluster", "ray")
    from fashion_hash.cluster.engine import Cluster
    from fashion_hash.cluster.nodes import local_nodes
    from fashion_hash.errors import ConfigError

    if args.nodes < 1:
        raise ConfigError(f"--nodes must be at least 1, got {args.nodes}")
    if not args.shard_seconds > 0:
        raise ConfigError(f"--shard-seconds must be above 0, got {args.shard_seconds:g}")
    cluster = Cluster(args.shards, args.replicas, args.address or "", args.shard_seconds)
    if args.address is not None:
        return _status_of_connecting(cluster) or serve(args, cluster)
    actors = args.shards * args.replicas * max(1, len(args.bundles))
    # twice as many as answer at once: those of the next generation are there before the old ones end
    with local_nodes(args.nodes, cpus=2 * actors) as nodes:
        print(f"Ray runs at {nodes.address} on {args.nodes} local nodes", file=sys.stderr, flush=True)
        return serve(args, cluster.at(nodes.address))


def _status_of_connecting(cluster: Cluster) -> int:
    """Connects in a process of its own, since workers are forked from this one; not 0 after an error was printed."""
    process = get_context("fork").Process(target=_connect, args=(cluster,))
    process.start()
    process.join()
    return process.exitcode or 0


def _connect(cluster: Cluster) -> None:
    def connected() -> int:
        cluster.connect()
        return 0

    raise SystemExit(printing(connected))
