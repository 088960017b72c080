"""Requests with hard facts over a million items: what reading and ordering by facts cost beyond the encoder.

    python benchmarks/bench_request_facts.py [--items 1000000] [--types 4] [--bits 128] [--brands 100000] [--json]
                                             [--folder DIR]

With --folder the bundle is kept there, and measured by a process that did not build it when it is asked for again.

The titles are those of bench_search.py, with a brand, an article number, kind, colour, material and price each.
Printed are medians of the processor time of the one thread that answers, without the text encoder; the time of the
first request in a process, which opens the columns and words; and the memory that this takes.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench_search import CLOTHS, COLOURS, CUTS, GARMENTS, TARGET, Timed, make_bundle
from machine import machine

import results
from fashion_hash.core.seeds import generator
from fashion_hash.encoders.contract import TextEncoder
from fashion_hash.encoders.open import open_encoder
from fashion_hash.retrieval.recommender import Recommender


def main(argv: Sequence[str] | None = None) -> None:
    """Prints a table, or one JSON object with --json."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--types", type=int, default=4, help="item types that share them")
    parser.add_argument("--bits", type=int, default=128)
    parser.add_argument("--brands", type=int, default=100_000, help="different brands, one column of many values")
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--folder", help="keep the bundle in this folder, and measure the one that it holds")
    results.add_options(parser)
    options = parser.parse_args(argv)
    if min(options.items, options.types, options.brands, options.k, options.repeats) < 1 or options.bits % 8:
        parser.error("--items, --types, --brands, -k and --repeats must be at least 1, and --bits a multiple of 8")
    with tempfile.TemporaryDirectory() as folder:
        path, built = Path(options.folder or folder) / "bundle", None
        if path.exists():
            encoder: TextEncoder = open_encoder(path / "requests/encoder")
            encoder.encode_texts([""])  # loads scikit-learn, which the encoder needs
        else:
            begin = time.perf_counter()
            encoder = make_bundle(path, options, lambda title, row: columns(title, row, options.brands))
            built = time.perf_counter() - begin
        options.folder = None  # where it lay does not matter
        result = {"machine": machine(), "options": vars(options), "seconds_build": built}
        result |= measure(path, Timed(encoder), options)
    if not results.hand_over(options, result):
        show(result, options)


def columns(title: str, row: int, brands: int) -> dict[str, Any]:
    """What is said of an item beside its title."""
    colour, cloth, _, garment = title.split()
    values = {"kind": garment, "colour": colour, "material": cloth, "price": float(row % 397)}
    return {**values, "brand": f"House {row % brands:x}", "article": f"A{row:07d}"}


def asked(options: argparse.Namespace) -> dict[str, list[str]]:
    """Requests by what they hold."""
    rng = generator(0, "bench_request_facts")

    def pick(words: Sequence[str]) -> str:
        return str(rng.choice(words))

    turns = range(options.repeats)
    return {
        "two hard facts and words": [f"{pick(CUTS)} {pick(COLOURS)} {pick(GARMENTS)} for summer" for _ in turns],
        "three hard facts": [f"{pick(COLOURS)} {pick(GARMENTS)} in {pick(CLOTHS)} under 50" for _ in turns],
        "an exclusion": [f"{pick(GARMENTS)}, not {pick(COLOURS)}" for _ in turns],
        "a shade": [f"a dark {pick(GARMENTS)}" for _ in turns],
        "a brand": [f"{pick(GARMENTS)} by house {turn:x}" for turn in turns],
        "an article, one letter wrong": [f"A{turn:06d}9x" for turn in turns],
        "what no item has": [f"{pick(COLOURS)} {pick(GARMENTS)} over 9000" for _ in turns],
        "no facts": [f"something {pick(CUTS)}" for _ in turns],
    }


def measure(path: Path, encoder: Timed, options: argparse.Namespace) -> dict[str, Any]:
    """Times in milliseconds, and memory in MB."""
    before = _megabytes()
    begin = time.thread_time()
    recommender = Recommender.load(path, verify=False, encoder=encoder)
    opened = time.thread_time() - begin
    begin = time.thread_time()
    recommender.search("red skirt", None, options.k)
    first = time.thread_time() - begin
    times = {}
    for name, texts in asked(options).items():
        taken = []
        for text in texts:
            encoder.seconds, begin = 0.0, time.thread_time()
            recommender.search(text, None, options.k)
            taken.append((time.thread_time() - begin - encoder.seconds) * 1e3)
        times[name] = {"median": statistics.median(taken), "slowest": max(taken)}
    return {
        "milliseconds": times,
        "target_milliseconds": TARGET,
        "seconds_open": opened,
        "seconds_first_request": first,
        "megabytes": _megabytes() - before,
    }


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def show(row: dict[str, Any], options: argparse.Namespace) -> None:
    print(row["machine"])
    print(
        f"{options.items:,} items of {options.types} types, {options.brands:,} brands, {options.bits} bits; one thread"
    )
    for name, times in row["milliseconds"].items():
        within = "within" if times["median"] < TARGET else "NOT within"
        print(f"{name:30} {times['median']:8.2f} ms, slowest {times['slowest']:8.2f}: {within} {TARGET:g} ms")
    print(
        f"opened in {row['seconds_open']:.2f} s, first request {row['seconds_first_request']:.1f} s, "
        f"{row['megabytes']:,.0f} MB more at the peak"
        + ("" if row["seconds_build"] is None else f"; built in {row['seconds_build']:.0f} s")
    )


if __name__ == "__main__":
    main()
