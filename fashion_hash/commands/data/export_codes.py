"""Write the codes of a bundle for a database, with the SQL that scores them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from fashion_hash.commands.run_command import Parser, run_command
from fashion_hash.errors import counted


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = Parser(
        prog=prog,
        description="Write the codes, weights and constants of a bundle as it is now, with the SQL that scores outfits "
        "exactly as the bundle does.",
    )
    parser.add_argument("bundle", help="a bundle folder, such as runs/NAME/bundle")
    parser.add_argument(
        "--to",
        choices=("parquet", "postgres", "duckdb"),
        required=True,
        help="parquet: a folder of Parquet files; postgres: a folder that psql loads; duckdb: one database file",
    )
    parser.add_argument(
        "--out", required=True, metavar="PATH", help="the folder or file; one that this command wrote is replaced"
    )
    return run_command(parser, _export, argv)


def _export(args: argparse.Namespace) -> int:
    from fashion_hash.retrieval.exported.export import export_codes

    written = export_codes(Path(args.bundle), args.to, Path(args.out))
    print(
        f"wrote {args.out}: {counted(written.users, 'user')}, {counted(written.items, 'item')}, "
        f"{counted(written.outfits, 'outfit')}"
    )
    return 0
