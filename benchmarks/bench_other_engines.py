"""Exported codes in DuckDB and PostgreSQL: time to export, to load and to answer; answers compared with the bundle.

    python benchmarks/bench_other_engines.py [--bundle runs/iqon3000/bundle] [--users 9] [--json]

Each user asks for the top 20 by `recommend`; printed are medians. DuckDB uses one thread. PostgreSQL is a server of its
own with the default settings, asked by psql, and is left out where it is not installed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

import results
from fashion_hash.retrieval.exported.export import export_codes
from fashion_hash.retrieval.recommender import Recommender
from results import PROJECT

sys.path.append(str(PROJECT))

from tests.worlds.postgres import postgres, programs

K = 20
Answer = list[tuple[str, float]]


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    made = work()
    return time.perf_counter() - start, made


def measure(recommender: Recommender, users: list[str], ask: Callable[[str], Answer]) -> dict[str, Any]:
    took, equal = [], True
    for user in users:
        spent, answer = seconds(lambda user=user: ask(user))
        took.append(spent)
        ids, scores = recommender.recommend(user, K)
        equal &= answer == list(zip(ids.tolist(), scores.tolist()))
    return {"answer_seconds": statistics.median(took), "equal": equal}


def in_duckdb(recommender: Recommender, users: list[str], folder: Path) -> dict[str, Any]:
    file = folder / "codes.duckdb"
    export, _ = seconds(lambda: export_codes(recommender.bundle.root, "duckdb", file))
    with duckdb.connect(str(file), read_only=True) as connection:
        connection.execute("SET threads = 1")
        ask = "SELECT * FROM recommend(?, ?)"
        figures = measure(recommender, users, lambda user: connection.execute(ask, [user, K]).fetchall())
    return {"engine": f"DuckDB {duckdb.__version__}", "export_seconds": export, "load_seconds": 0.0, **figures}


def in_postgres(recommender: Recommender, users: list[str], folder: Path, bin_folder: Path) -> dict[str, Any]:
    export, _ = seconds(lambda: export_codes(recommender.bundle.root, "postgres", folder / "postgres"))
    with postgres(bin_folder) as server:
        load, _ = seconds(lambda: server.run("load.sql", folder / "postgres"))
        [[[version]]] = server.ask("fashion_hash", "SHOW server_version")

        def ask(user: str) -> Answer:
            quoted = "'" + user.replace("'", "''") + "'"
            [rows] = server.ask("fashion_hash", f"SELECT * FROM recommend({quoted}, {K})")
            return [(outfit_id, float(score)) for outfit_id, score in rows]

        figures = measure(recommender, users, ask)
    name = f"PostgreSQL {version.split()[0]}"
    return {"engine": name, "export_seconds": export, "load_seconds": load, **figures}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", default="runs/iqon3000/bundle", help="a bundle that scores by codes")
    parser.add_argument("--users", type=int, default=9, help="how many users ask")
    results.add_options(parser)
    options = parser.parse_args()
    if not Path(options.bundle).is_dir():
        print(f"no bundle at {options.bundle}: name one with --bundle")
        return
    recommender = Recommender.load(options.bundle)
    every = recommender.bundle.users.all()
    users = every[:: max(1, len(every) // options.users)][: options.users]
    items = sum(len(ids) for ids in recommender.bundle.items.values())
    with tempfile.TemporaryDirectory() as name:
        rows = [in_duckdb(recommender, users, Path(name))]
        if found := programs():
            rows.append(in_postgres(recommender, users, Path(name), found))
    for row in rows:
        row["rows_a_second"] = (items + len(recommender)) / row["answer_seconds"]
    figures = {"items": items, "outfits": len(recommender), "users": len(users), "rows": rows}
    if results.hand_over(options, figures):
        return
    print(f"{items:,} items, {len(recommender):,} outfits, top {K} of {len(users)} users")
    for row in rows:
        print(
            f"{row['engine']}: exported in {row['export_seconds']:.1f} s, loaded in {row['load_seconds']:.1f} s; an "
            f"answer takes {row['answer_seconds'] * 1000:.0f} ms, {row['rows_a_second'] / 1e3:.0f} thousand items and "
            f"outfits a second; {'equal to the bundle' if row['equal'] else 'NOT EQUAL to the bundle'}"
        )


if __name__ == "__main__":
    main()
