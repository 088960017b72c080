"""`make-sample`: draw a small data set in the Polyvore-U layout whose truth is known."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from fashion_hash.commands.run_command import run_command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--out", default="polyvore_data", help="the folder to write (default: polyvore_data)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same files (default: 0)")
    parser.add_argument("--users", type=int, default=60, help="people in tuples_630 (default: 60)")
    parser.add_argument("--items", type=int, default=160, help="items of each type (default: 160)")
    parser.add_argument("--outfits-per-user", type=int, default=80, help="training outfits of each user (default: 80)")
    parser.add_argument("--variable", action="store_true", help="also outfits of one or two tops: 519 and 32")
    parser.add_argument("--no-pictures", action="store_true", help="words only: no drawings, no LMDB")
    parser.add_argument("--force", action="store_true", help="make everything anew, whatever the folder holds")


def run(args: argparse.Namespace) -> int:
    """Makes the sample and prints what it made."""
    from fashion_hash.data.sample.write import make_sample

    made = make_sample(
        args.out,
        seed=args.seed,
        users=args.users,
        items=args.items,
        outfits_per_user=args.outfits_per_user,
        variable=args.variable,
        pictures=not args.no_pictures,
        force=args.force,
    )
    for name, counts in made.outfits.items():
        splits = ", ".join(f"{count} {split}" for split, count in counts.items())
        print(f"{name}: {made.users[name]} users, outfits: {splits}")
    print("items: " + ", ".join(f"{count} {kind}s" for kind, count in made.items.items()), end="")
    print(f"; {made.pictures} pictures")
    print(
        f"{made.root}: {made.files_written} files written, {made.bytes_total / 1e6:.1f} MB in all, {made.seconds:.1f} s"
    )
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """The door for tools/make_sample.py; returns the exit status."""
    parser = argparse.ArgumentParser(prog="make_sample.py", description=__doc__)
    add_arguments(parser)
    return run_command(parser, run, argv)
