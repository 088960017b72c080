"""Write the vectors of pictures as Parquet, in parts that an interrupted job goes on with."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from fashion_hash.commands.bulk.options import AGAIN, add_options, run, workers_of
from fashion_hash.commands.data.extract import add_encoder
from fashion_hash.commands.run_command import Parser, run_command
from fashion_hash.errors import counted


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = Parser(
        prog=prog,
        description="Write the vectors of pictures: Parquet files with the columns key, vector and reason (why a "
        "picture has no vector), and a manifest with their checksums. `fashion-hash extract` fills a store to train "
        "from; these files are for bulk work, such as item-codes, and for other programs.",
        epilog=AGAIN,
    )
    parser.add_argument("source", help="a folder of pictures, a tar archive (.tar, .tar.gz) or an LMDB")
    add_encoder(parser)
    add_options(parser)
    return run_command(parser, _vectors, argv)


def _vectors(args: argparse.Namespace) -> int:
    from fashion_hash.bulk.pictures import OpenEncoder, PictureVectors

    workers = workers_of(args)
    encoder = OpenEncoder(args.encoder, args.weights, args.size, args.device)
    job = PictureVectors.of(Path(args.source).absolute(), encoder)
    run(args, job, workers, f"of {counted(job.pictures, 'picture')}")
    return 0
