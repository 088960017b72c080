"""`fashion-hash init FOLDER`: looks at a shop's tables and writes a configuration that is ready to train."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from fashion_hash.commands.run_command import Parser, run_command
from fashion_hash.config.shop import Columns


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = Parser(
        prog=prog,
        description="Look at the tables of a shop, say what they hold and what is missing, and write a configuration "
        "that is ready to train. The tables are not changed.",
    )
    parser.add_argument("folder", metavar="FOLDER", help="the folder of the tables: items, outfits or interactions")
    parser.add_argument("--out", metavar="FILE", help="the configuration (default: NAME.yaml, after the folder)")
    parser.add_argument("--slots", metavar="TYPES", help="item types separated by commas (default: from the data)")
    parser.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="NAME=COLUMN",
        help="our name of a column and that in the tables, such as item_id=article; may be repeated",
    )
    parser.add_argument("--force", action="store_true", help="replace an existing configuration")
    return run_command(parser, _init, argv)


def _init(args: argparse.Namespace) -> int:
    from fashion_hash.config.experiment import load_config
    from fashion_hash.config.shop import ShopConfig
    from fashion_hash.core.files import atomic_path
    from fashion_hash.data.shop.describe import describe
    from fashion_hash.data.shop.item_sets import SlotChoice, choose_slots
    from fashion_hash.data.shop.read import NO_SETS, make_dataset, read_tables
    from fashion_hash.data.shop.settings import config_text, count, run_name
    from fashion_hash.errors import ConfigError, DataError

    folder = Path(args.folder)
    out = Path(args.out or f"{run_name(folder)}.yaml")
    if out.exists() and not args.force:
        raise ConfigError(f"{out} exists: name another file with --out, or replace it with --force")
    data = read_tables(folder, ShopConfig(columns={**_columns(args.column)}))
    choice = choose_slots(data.sets, data.type_of, data.items.types)
    if args.slots:
        slots = tuple(name.strip() for name in args.slots.split(","))
        choice = SlotChoice(slots, {name: why for name, why in choice.left_out.items() if name not in slots})
    if not choice.slots:
        reasons = "; ".join(f"{item_type}: {why}" for item_type, why in list(choice.left_out.items())[:8])
        formed = NO_SETS if data.formed else ""
        raise DataError(f"{folder}: no two item types occur together often enough for slots ({reasons}){formed}")
    dataset = make_dataset(data, choice.slots)
    for line in describe(data, choice, dataset):
        print(line)
    text = config_text(data, choice, count(data, choice, len(dataset.content.picture_keys)))
    with atomic_path(out) as temporary:
        temporary.write_text(text, encoding="utf-8")
        load_config(temporary)  # a configuration that cannot be read back is never put in place
    print(f"\nwrote {out}; next:")
    print(f"  fashion-hash train {shlex.quote(str(out))}")
    print(f"  fashion-hash build-index {shlex.quote(f'runs/{run_name(folder)}')} --page outfits.html")
    return 0


def _columns(options: Sequence[str]) -> Columns:
    from fashion_hash.errors import ConfigError

    columns: Columns = {}
    for option in options:
        ours, equals, theirs = option.partition("=")
        if not equals or not ours.strip() or not theirs.strip():
            raise ConfigError(f"--column {option}: write it as NAME=COLUMN, such as item_id=article")
        columns[ours.strip()] = theirs.strip()
    return columns
