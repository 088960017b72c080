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

from fashion_hash.data.stores.lmdb_pages import check_pages


def main(argv: Sequence[str] | None = None) -> int:
    """Prints a line for each size of values."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--bytes", type=int, default=1_000_000_000, help="of all values together")
    total = parser.parse_args(argv).bytes
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
            print(f"{total // size} values of {size} bytes, a file of {file.stat().st_size / 1e9:.2f} GB: ", end="")
            print(f"{seconds[0]:.2f} s before reading, {seconds[1]:.2f} s before writing")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
