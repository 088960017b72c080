"""What it takes to check an LMDB before it is opened: stores of 1 GB, of large and of small values.

python benchmarks/bench_lmdb_check.py [--bytes 1000000000]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import lmdb

import results
from fashion_hash.data.stores.lmdb_pages import check_pages


def main(argv: Sequence[str] | None = None) -> int:
    """Prints a line for each size of values."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--bytes", type=int, default=1_000_000_000, help="of all values together")
    results.add_options(parser)
    options = parser.parse_args(argv)
    total, rows = options.bytes, []
    for size in (10_000, 2_000):
        with tempfile.TemporaryDirectory() as folder:
            with (
                lmdb.open(folder, map_size=4 * total, sync=False) as environment,
                environment.begin(write=True) as writer,
            ):
                for number in range(total // size):
                    writer.put(b"%09d.jpg" % number, bytes(size), append=True)
            file = Path(folder) / "data.mdb"
            seconds = []
            for for_writing in (False, True):
                start = time.perf_counter()
                check_pages(file, for_writing=for_writing)
                seconds.append(time.perf_counter() - start)
            rows.append(
                {"values": total // size, "bytes": size, "gigabytes": file.stat().st_size / 1e9, "seconds": seconds}
            )
    if not results.hand_over(options, {"rows": rows}):
        for row in rows:
            print(f"{row['values']} values of {row['bytes']} bytes, a file of {row['gigabytes']:.2f} GB: ", end="")
            print(f"{row['seconds'][0]:.2f} s before reading, {row['seconds'][1]:.2f} s before writing")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
