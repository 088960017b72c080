"""Extract vectors of any pictures into a store; an interrupted extraction continues where it stopped."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from fashion_hash.commands.run_command import Parser, print_json, run_command
from fashion_hash.errors import counted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    parser.add_argument("source", help="a folder of pictures, a tar archive (.tar, .tar.gz) or an LMDB")
    add_encoder(parser)
    parser.add_argument("--out", required=True, metavar="STORE", help="the folder of the feature store")
    parser.add_argument("--workers", type=int, help="processes (default: one a core for descriptors, 1 for networks)")
    parser.add_argument("--batch-size", type=int, default=64, help="pictures written together (64)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def add_encoder(parser: argparse.ArgumentParser) -> None:
    """Adds the options that name an encoder of pictures."""
    parser.add_argument(
        "--encoder",
        required=True,
        metavar="NAME",
        help="descriptors, a network of torchvision such as resnet18, or open_clip/MODEL",
    )
    parser.add_argument("--weights", help='of a network: "hub" (default), "random" or a file')
    parser.add_argument("--size", type=int, default=291, help="pixels of a side for a torchvision network (291)")
    parser.add_argument("--device", default="cpu", help="where a torchvision network runs (cpu)")


def run(args: argparse.Namespace) -> int:
    """Extracts what the store lacks, lists bad pictures in a file and prints what was done."""
    from fashion_hash.bulk.pictures import OpenEncoder
    from fashion_hash.core.locks import hold
    from fashion_hash.data.stores.picture_sources import open_pictures
    from fashion_hash.encoders.pictures.extraction import Plan, extract_pictures, write_bad_pictures
    from fashion_hash.errors import ConfigError, FeatureError

    workers = (os.cpu_count() or 1 if args.encoder == "descriptors" else 1) if args.workers is None else args.workers
    for option, number in (("--workers", workers), ("--batch-size", args.batch_size), ("--size", args.size)):
        if number < 1:
            raise ConfigError(f"{option} must be at least 1, got {number}")
    source = open_pictures(args.source)
    listing = source.list()
    opens = OpenEncoder(args.encoder, args.weights, args.size, args.device)
    plan = Plan(opens, workers, args.batch_size)
    with hold(Path(args.out), "extracting into it", FeatureError):
        extracted = extract_pictures(source, listing.keys, args.out, plan)
        bad = listing.bad | extracted.bad
        path = write_bad_pictures(extracted.store, bad)
    if args.json:
        print_json(
            {
                "store": str(extracted.store),
                "done": extracted.done,
                "anew": extracted.anew,
                "already": extracted.already,
                "bad": len(bad),
                "bad_pictures": str(path),
            }
        )
    else:
        anew = f" ({extracted.anew:,} of them because their picture changed)" if extracted.anew else ""
        print(
            f"{extracted.store}: {counted(extracted.done, 'vector')} extracted{anew}, {extracted.already} already "
            "stored"
        )
        if bad:
            print(f"{counted(len(bad), 'file has', 'files have')} no vector, listed with reasons in {path}")
    return 0 if extracted.done or extracted.already else 1


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = Parser(
        prog=prog,
        description="Extract vectors of pictures into a feature store, by file name or key. Run it again to continue: "
        "what the store holds is not done twice. Files without a vector are listed with reasons in "
        "STORE/bad_pictures.csv.",
    )
    add_arguments(parser)
    return run_command(parser, run, argv)
