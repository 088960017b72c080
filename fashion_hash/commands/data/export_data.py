"""Write the data set of a configuration for another program."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from fashion_hash.commands.run_command import Parser, run_command
from fashion_hash.errors import counted


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = Parser(
        prog=prog, description="Write the data set of a configuration, divided as it says, as RecBole's files."
    )
    parser.add_argument("config", help="a YAML file, such as configs/demo.yaml")
    parser.add_argument("folder", help="the folder to write; its name becomes the name of the files")
    parser.add_argument("--to", choices=("recbole",), required=True, help="for which program: recbole (atomic files)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override a key, such as data.root=DIR"
    )
    return run_command(parser, _export, argv)


def _export(args: argparse.Namespace) -> int:
    from fashion_hash.config.experiment import load_config
    from fashion_hash.data.formats.recbole.export import export_recbole
    from fashion_hash.training.runs.run import load_data

    exported = export_recbole(load_data(load_config(args.config, args.set)), Path(args.folder))
    rows = ", ".join(f"{count:,} in {split}" for split, count in exported.rows.items())
    print(
        f"wrote {args.folder}: {counted(exported.users, 'user')}, {counted(exported.outfits, 'outfit')} of "
        f"{counted(exported.items, 'item')}; rows: {rows}"
    )
    if exported.left_out:
        print(f"RecBole has no place for {', '.join(exported.left_out)}: not written")
    return 0
