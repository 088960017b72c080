"""Make a small data set in the Polyvore-U layout with planted tastes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from fashion_hash.commands.run_command import Parser, run_command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    parser.add_argument(
        "--out", metavar="DIR", default="polyvore_data", help="the folder to write (default: polyvore_data)"
    )
    parser.add_argument("--seed", type=int, default=0, help="the same seed makes the same files (default: 0)")
    parser.add_argument("--users", type=int, default=60, help="how many users tuples_630 has (default: 60)")
    parser.add_argument("--items", type=int, default=160, help="how many items of each type (default: 160)")
    parser.add_argument(
        "--outfits-per-user", type=int, default=80, help="how many training outfits each user has (default: 80)"
    )
    parser.add_argument(
        "--variable", action="store_true", help="also write the subsets 519 and 32, with outfits of one or two tops"
    )
    parser.add_argument("--no-pictures", action="store_true", help="titles only: no drawings, no LMDB")
    parser.add_argument("--force", action="store_true", help="replace the sample in the folder")


def run(args: argparse.Namespace) -> int:
    """Makes the sample and prints what it holds."""
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
    print("items: " + ", ".join(f"{count} {item_type}s" for item_type, count in made.items.items()), end="")
    print(f"; {made.pictures} pictures")
    megabytes = made.bytes_total / 1e6
    print(f"{made.root}: {made.files_written} files written, {megabytes:.1f} MB in total, {made.seconds:.1f} s")
    return 0


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = Parser(
        prog=prog,
        description="Make a small data set in the Polyvore-U layout: invented users with known tastes.",
    )
    add_arguments(parser)
    return run_command(parser, run, argv)
