"""Peak resident memory of decoding large pictures, by 16 threads at once and by one. Each case in a process of its own.

python benchmarks/bench_decode.py [--threads 16]
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import resource
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from PIL import Image

import results
from fashion_hash.data.stores.decoding import decoded

# name: mode, width, height, format, options of Image.save
PICTURES = {
    "JPEG, 60 million pixels": ("RGB", 10_000, 6_000, "JPEG", {}),
    "progressive JPEG, 60 million pixels": ("RGB", 10_000, 6_000, "JPEG", {"progressive": True}),
    "PNG with transparency, 16 million pixels": ("RGBA", 4_000, 4_000, "PNG", {}),
    "PNG with transparency, 64 million pixels": ("RGBA", 8_000, 8_000, "PNG", {}),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Prints a line for each case."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--threads", type=int, default=16)
    results.add_options(parser)
    asked = parser.parse_args(argv)
    rows = []
    context = multiprocessing.get_context("spawn")
    for name, (mode, width, height, kind, options) in PICTURES.items():
        for count in (1, asked.threads):
            with context.Pool(1) as maker:
                picture = maker.apply(encoded, (mode, width, height, kind, options))
            with context.Pool(1) as worker:
                megabytes, seconds = worker.apply(measure, (picture, count))
            rows.append({"pictures": name, "threads": count, "megabytes": megabytes, "seconds": seconds})
    if not results.hand_over(asked, {"rows": rows}):
        for row in rows:
            print(f"{row['pictures']}, {row['threads']} threads: {row['megabytes']:.0f} MB, {row['seconds']:.1f} s")
    return 0


def encoded(mode: str, width: int, height: int, kind: str, options: dict[str, bool]) -> bytes:
    """The bytes of a picture of one colour."""
    stream = io.BytesIO()
    Image.new(mode, (width, height)).save(stream, kind, **options)
    return stream.getvalue()


def measure(picture: bytes, threads: int) -> tuple[float, float]:
    """Megabytes at the peak and seconds, for as many pictures as there are threads."""
    start = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(_small, [picture] * threads))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, time.perf_counter() - start


def _small(picture: bytes) -> tuple[int, int]:
    with decoded(picture) as image:
        return image.resize((224, 224)).size


if __name__ == "__main__":
    raise SystemExit(main())
