"""Seconds and memory of the readers of large data sets: benchmarks/bench_readers.py.

A made data set of a million outfits of four items over 500,000 items is written in each format and read by a process of
its own. Prints the size of the files, the seconds of reading, and the peak memory (RSS) of the process.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from machine import machine

import results

TYPES = 4
READ = """
import json, resource, sys, time
from fashion_hash.data.load import load_dataset
def peak():
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e6 if sys.platform == "darwin" else most * 1024 / 1e6
before, started = peak(), time.perf_counter()
data = load_dataset(sys.argv[1], sys.argv[2])
seconds = time.perf_counter() - started
outfits = sum(len(split.positives) for split in data.splits.values())
items = sum(map(len, data.items.values()))
print(json.dumps({"seconds": seconds, "peak_mb": peak(), "before_mb": before, "outfits": outfits, "items": items}))
"""


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outfits", type=int, default=1_000_000)
    parser.add_argument("--items", type=int, default=500_000, help="of all types together (default 500,000)")
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--formats", default=",".join(WRITERS), help=f"of {', '.join(WRITERS)} (default all)")
    results.add_options(parser)
    options = parser.parse_args()
    rows = []
    if not options.json:
        print(f"{options.outfits:,} outfits, {options.items:,} items, {options.users:,} users; {machine()}")
        print("| format | files, MB | seconds | peak, MB |\n|---|--:|--:|--:|", flush=True)
    for name in options.formats.split(","):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            WRITERS[name](root, Made(options.outfits, options.items, options.users))
            size = sum(path.stat().st_size for path in root.iterdir()) / 1e6
            done = subprocess.run(
                [sys.executable, "-c", READ, name, str(root)], capture_output=True, text=True, check=True
            )
        row = {"format": name, "files_mb": round(size), **json.loads(done.stdout)}
        row = {key: round(value, 1) if isinstance(value, float) else value for key, value in row.items()}
        rows.append(row)
        if not options.json:
            print(f"| {name} | {size:,.0f} | {row['seconds']:.1f} | {row['peak_mb']:,.0f} |", flush=True)
    results.hand_over(options, {"options": vars(options), "rows": rows})


class Made:
    """Outfits of four types, made block by block, so that writing them needs no memory to speak of.

    Args:
        outfits: how many.
        items: how many, of all types together; each occurs in some outfit where there are enough of them.
        users: how many.
    """

    def __init__(self, outfits: int, items: int, users: int) -> None:
        self.outfits, self.users, self.each = outfits, users, items // TYPES

    def __iter__(self) -> Iterator[tuple[int, int, list[int]]]:
        """Outfit, user and items, one of each type: item i of type t has the number i * TYPES + t."""
        rng = np.random.default_rng(0)
        for start in range(0, self.outfits, 10_000):
            rows = np.arange(start, min(start + 10_000, self.outfits))
            users = (self.users * rng.random(len(rows)) ** 2).astype(np.int64)
            drawn = (self.each * rng.random((len(rows), TYPES)) ** 2).astype(np.int64)
            drawn[rows < self.each] = rows[rows < self.each, None]  # every item is in an outfit
            items = drawn * TYPES + np.arange(TYPES)
            yield from zip(rows.tolist(), users.tolist(), items.tolist())

    @property
    def number_of_items(self) -> int:
        """How many items there are."""
        return self.each * TYPES


def write_shift15m(root: Path, made: Made) -> None:
    """iqon_outfits.json, in one line, as the release has it."""
    with open(root / "iqon_outfits.json", "w", encoding="utf-8") as stream:
        for outfit, user, items in made:
            members = ", ".join(
                f'{{"price": "{1000 + item % 900}", "item_id": "{item}", "category_id1": "{10 + item % TYPES}", '
                f'"category_id2": "{10_001 + 1000 * (item % TYPES)}"}}'
                for item in items
            )
            stream.write(
                f'{"[" if outfit == 0 else ", "}{{"user": {{"user_id": "{user}", "fav_brand_ids": "12,34"}}, '
                f'"like_num": "5", "set_id": "{outfit}", "items": [{members}], '
                f'"publish_date": "201{outfit % 8}-0{1 + outfit % 9}-11"}}'
            )
        stream.write("]")


def write_hm(root: Path, made: Made) -> None:
    """articles.csv and transactions_train.csv: a row for each item of an outfit."""
    with open(root / "articles.csv", "w", encoding="utf-8") as stream:
        stream.write(
            "article_id,product_code,prod_name,product_type_name,product_group_name,colour_group_name,detail_desc\n"
        )
        for item in range(made.number_of_items):
            stream.write(f'{item:010},{item:07},Piece {item},Kind,Group {item % TYPES},Black,"Soft, warm, {item}."\n')
    with open(root / "transactions_train.csv", "w", encoding="utf-8") as stream:
        stream.write("t_dat,customer_id,article_id,price,sales_channel_id\n")
        for outfit, user, items in made:
            day = f"20{18 + outfit % 3}-{1 + outfit // 3 % 12:02}-{1 + outfit // 36 % 28:02}"
            for item in items:
                stream.write(f"{day},{user:064x},{item:010},0.0{1 + item % 9},2\n")


def write_recbole(root: Path, made: Made) -> None:
    """made.inter, made.item and made.garment."""
    with open(root / "made.garment", "w", encoding="utf-8") as stream:
        stream.write("garment_id:token\ttype:token\ttitle:token\tprice:float\n")
        for item in range(made.number_of_items):
            stream.write(f"i{item}\ttype{item % TYPES}\tthe item {item}\t{item % 90}.5\n")
    with (
        open(root / "made.inter", "w", encoding="utf-8") as inter,
        open(root / "made.item", "w", encoding="utf-8") as table,
    ):
        inter.write("user_id:token\titem_id:token\ttimestamp:float\n")
        table.write("item_id:token\titems:token_seq\tslots:token_seq\n")
        names = " ".join(f"type{number}" for number in range(TYPES))
        for outfit, user, items in made:
            inter.write(f"u{user}\to{outfit}\t{1_600_000_000 + outfit}\n")
            table.write(f"o{outfit}\t{' '.join(f'i{item}' for item in items)}\t{names}\n")


def write_kgin(root: Path, made: Made) -> None:
    """train.txt and kg_final.txt: outfits come first in the numbering, then items, then their categories."""
    first_item, first_category = made.outfits, made.outfits + made.number_of_items
    clicked: dict[int, list[int]] = {}
    with open(root / "kg_final.txt", "w", encoding="utf-8") as stream:
        for outfit, user, items in made:
            clicked.setdefault(user, []).append(outfit)
            stream.writelines(f"{outfit} 0 {first_item + item}\n" for item in items)
        stream.writelines(
            f"{first_item + item} 1 {first_category + item % TYPES}\n" for item in range(made.number_of_items)
        )
    with open(root / "train.txt", "w", encoding="utf-8") as stream:
        stream.writelines(f"{user} {' '.join(map(str, outfits))}\n" for user, outfits in clicked.items())


WRITERS: dict[str, Callable[[Path, Made], None]] = {
    "shift15m": write_shift15m,
    "hm": write_hm,
    "recbole": write_recbole,
    "ifashion_kgin": write_kgin,
}


if __name__ == "__main__":
    main()
