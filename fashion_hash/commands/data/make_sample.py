"""Make a small data set in the Polyvore-U layout with planted tastes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from fashion_hash.commands.run_command import Parser, run_command
from fashion_hash.errors import counted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    parser.add_argument("--out", metavar="DIR", help="the folder to write (default: polyvore_data, with --shop: shop)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed makes the same files (default: 0)")
    parser.add_argument("--users", type=int, help="how many users there are (default: 60, with --shop: 200)")
    parser.add_argument(
        "--items", type=int, help="how many items of each type (default: 160), with --shop of all types (default: 2000)"
    )
    parser.add_argument(
        "--outfits-per-user",
        type=int,
        help="how many training outfits each user has (default: 80), with --shop saved looks (default: 40)",
    )
    parser.add_argument(
        "--variable", action="store_true", help="also write the subsets 519 and 32, with outfits of one or two tops"
    )
    parser.add_argument("--no-pictures", action="store_true", help="titles only: no drawings, no LMDB")
    parser.add_argument(
        "--shop", action="store_true", help="the tables of a made shop instead: five files, 5 item types, 200 users"
    )
    parser.add_argument("--force", action="store_true", help="replace the sample in the folder")


def run(args: argparse.Namespace) -> int:
    """Makes the sample and prints what it holds."""
    from fashion_hash.data.sample.write import make_sample

    if args.shop:
        return _make_shop(args)
    made = make_sample(
        args.out or "polyvore_data",
        seed=args.seed,
        users=60 if args.users is None else args.users,
        items=160 if args.items is None else args.items,
        outfits_per_user=80 if args.outfits_per_user is None else args.outfits_per_user,
        variable=args.variable,
        pictures=not args.no_pictures,
        force=args.force,
    )
    for name, counts in made.outfits.items():
        splits = ", ".join(f"{count} {split}" for split, count in counts.items())
        print(f"{name}: {counted(made.users[name], 'user')}, outfits: {splits}")
    print("items: " + ", ".join(f"{count} {item_type}s" for item_type, count in made.items.items()), end="")
    print(f"; {made.pictures} pictures")
    megabytes = made.bytes_total / 1e6
    print(f"{made.root}: {made.files_written} files written, {megabytes:.1f} MB in total, {made.seconds:.1f} s")
    return 0


def _make_shop(args: argparse.Namespace) -> int:
    from fashion_hash.data.sample.shop import ShopSize, make_shop

    root, usual = args.out or "shop", ShopSize()
    size = ShopSize(
        items=usual.items if args.items is None else args.items,
        users=usual.users if args.users is None else args.users,
        looks_per_user=usual.looks_per_user if args.outfits_per_user is None else args.outfits_per_user,
    )
    for name, rows in make_shop(root, size, args.seed, args.force).items():
        print(f"{root}/{name}: {counted(rows, 'row')}")
    print(f"next: fashion-hash init {root}")
    return 0


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = Parser(
        prog=prog,
        description="Make a small data set in the Polyvore-U layout: invented users with known tastes.",
    )
    add_arguments(parser)
    return run_command(parser, run, argv)
