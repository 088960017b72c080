"""What a filter costs: pool search and completion with a filter over the same without, by share let through.

    python benchmarks/bench_filters.py [--outfits 1000000] [--items-per-type 100000] [--json]

A pool of outfits of top, bottom and shoe in two modalities, 128 bits each, and a catalogue with a
price, a brand, a colour and a stock for every item. A filter lets through 50 %, 10 %, 1 % or 0.1 % of
the outfits: by the price of the tops alone, by the price of every item, or by a total budget. Timed
is the whole question: the filter read, checked and evaluated from scratch, and the search. What is
filtered and what is not take turns, so that ratios hold on a busy machine. Answers are compared with
the best of the allowed outfits on the spot. ratio_50 to ratio_01 are the worst of the kinds of
filter; worst_ratio is the worst of all, completion of a slot among all items of a type included.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bench_pool import SLOTS, build, random_codes
from machine import machine

import results
from fashion_hash.bundle.catalogue import write_catalogue
from fashion_hash.core.seeds import generator
from fashion_hash.index import exact
from fashion_hash.index.engines.sums.engine import SumScan
from fashion_hash.retrieval.composition.compose import compose
from fashion_hash.retrieval.composition.problem import CompositionTask
from fashion_hash.retrieval.filters.apply import allowed_outfits, allowed_rows, item_test, read_filter
from fashion_hash.retrieval.filters.columns import ItemColumns, read_columns
from fashion_hash.retrieval.filters.totals import PoolTotals

SHARES = {"50": 0.5, "10": 0.1, "1": 0.01, "01": 0.001}
MOST = 1000.0  # prices lie evenly between 0 and this


def main(argv: Sequence[str] | None = None) -> None:
    """Prints a table, or one JSON object with --json."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--outfits", type=int, default=1_000_000)
    parser.add_argument("--items-per-type", type=int, default=100_000)
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=25)
    results.add_options(parser)
    options = parser.parse_args(argv)
    if min(options.outfits, options.items_per_type, options.k, options.repeats) < 1:
        parser.error("--outfits, --items-per-type, -k and --repeats are whole numbers from 1 on")
    options.users, options.flip = 16, 0.5
    with tempfile.TemporaryDirectory() as folder:
        result = {"machine": machine(), "options": vars(options), **measure(Path(folder), options)}
    if not results.hand_over(options, result):
        show(result, options)


def measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds and ratios; see the module's text."""
    bundle, items = random_codes(options, options.items_per_type)
    bundle.slot_names, bundle.items = SLOTS, {kind: range(options.items_per_type) for kind in SLOTS}
    pool, _ = build(folder, bundle, items)
    engine = SumScan(bundle, pool)
    columns, cold = catalogue(folder / "catalogue.sqlite", options.items_per_type)
    users, totals = bundle.user_codes, PoolTotals(SLOTS)

    wheres = {"none": None} | {
        f"{kind} {name}": where
        for name, share in SHARES.items()
        for kind, where in {
            "top": {"top": {"price": {"<": MOST * share}}},
            "all": {"price": {"<": MOST * share ** (1 / 3)}, "in_stock": {"exists": True}},
            "total": {"total": {"price": {"<=": budget(share)}}},
        }.items()
    }

    def pooled(where: Mapping[str, Any] | None, turn: int) -> np.ndarray:
        if where is None:
            return engine.search(users[turn % len(users)], options.k).rows
        chosen = read_filter(where, columns)
        test = item_test(chosen, SLOTS) if chosen.where else None
        allowed = test if test is not None else allowed_outfits(chosen, SLOTS, pool.items, totals)
        return engine.search(users[turn % len(users)], options.k, allowed=allowed).rows

    def completed(where: Mapping[str, Any] | None, turn: int) -> np.ndarray:
        given, rows = {"top": turn, "bottom": turn + 1}, {}
        if where is not None:
            found = allowed_rows(read_filter(where, columns), SLOTS, [2], {0: turn, 1: turn + 1})
            rows = {SLOTS[slot]: some for slot, some in found.items()}
        return compose(CompositionTask(bundle, users[turn % len(users)], None, rows, given), options.k).items

    def question(what: Callable[[Any, int], np.ndarray], where: object) -> Callable[[int], object]:
        return lambda turn: what(where, turn)

    one_slot = {"none": None} | {
        f"complete {name}": {"shoe": {"price": {"<": MOST * share}}} for name, share in SHARES.items()
    }
    check(bundle, pool, wheres, columns, pooled, options.k)
    for turn in range(2):  # whatever is compiled or mapped at the first use
        pooled(wheres["total 50"], turn), completed(None, turn)
    times = take_turns({name: question(pooled, where) for name, where in wheres.items()}, options.repeats)
    others = take_turns({name: question(completed, where) for name, where in one_slot.items()}, options.repeats)
    ratios = {name: time / times["none"] for name, time in times.items() if name != "none"}
    ratios |= {name: time / others["none"] for name, time in others.items() if name != "none"}
    worst = {f"ratio_{name}": max(ratios[f"{kind} {name}"] for kind in ("top", "all", "total")) for name in SHARES}
    narrowest = f"all {min(SHARES, key=lambda name: abs(SHARES[name] - 0.01))}"  # to 1 %, the slowest
    return {
        **worst,
        "worst_ratio": max(ratios.values()),
        "least_ratio": min(ratios.values()),
        "usual_ratio": max(ratio for name, ratio in ratios.items() if name != narrowest),
        "ratios": ratios,
        "milliseconds": {**times, "complete none": others.pop("none"), **others},
        "seconds_columns_cold": cold,
    }


def catalogue(path: Path, count: int) -> tuple[dict[str, ItemColumns], float]:
    """The columns of a catalogue file, and the seconds it took to read them."""
    rng = generator(0, "bench_filters catalogue")
    details = {}
    for kind in SLOTS:
        prices, brands = np.round(rng.uniform(0, MOST, count), 2).tolist(), rng.integers(0, 500, count).tolist()
        stocks, colours = (rng.random(count) < 0.7).tolist(), rng.integers(0, 12, count).tolist()
        details[kind] = {
            f"{kind}-{row}": {"price": price, "brand": f"brand {brand}", "colour": f"c{colour}", "in_stock": stock}
            for row, (price, brand, colour, stock) in enumerate(zip(prices, brands, colours, stocks))
        }
    write_catalogue(path, {kind: list(ids) for kind, ids in details.items()}, details, {})
    begin = time.perf_counter()
    columns = {kind: read_columns(path, kind) for kind in SLOTS}
    return columns, time.perf_counter() - begin


def take_turns(what: Mapping[str, Callable[[int], object]], repeats: int) -> dict[str, float]:
    """The median milliseconds of each in this thread, called one after the other, again and again."""
    times: dict[str, list[float]] = {name: [] for name in what}
    for turn in range(repeats):
        for name, call in what.items():
            begin = time.thread_time()  # of this thread alone: waiting for a processor does not count
            call(turn)
            times[name].append((time.thread_time() - begin) * 1e3)
    return {name: statistics.median(values) for name, values in times.items()}


def budget(share: float) -> float:
    """The total that this share of three even prices keeps to: by a large sample."""
    totals = generator(0, "bench_filters budget").uniform(0, MOST, (200_000, 3)).sum(axis=1)
    return float(np.quantile(totals, share))


def check(
    bundle: Any,
    pool: Any,
    wheres: Mapping[str, Any],
    columns: Mapping[str, ItemColumns],
    pooled: Callable[[Any, int], np.ndarray],
    k: int,
) -> None:
    """The answers are the best of the outfits whose prices fit. Raises AssertionError otherwise."""
    prices = np.stack([columns[kind].column("price")[1][pool.items[:, slot]] for slot, kind in enumerate(SLOTS)])
    for name, where in wheres.items():
        kind, _, key = name.partition(" ")
        if where is None:
            continue
        if kind == "total":
            rows = np.flatnonzero(np.rint(prices.sum(axis=0) * 100) / 100 <= where["total"]["price"]["<="])
        else:
            most = MOST * SHARES[key] ** (1 if kind == "top" else 1 / 3)
            rows = np.flatnonzero((prices[: 1 if kind == "top" else 3] < most).all(axis=0))
        if key in ("1", "01"):  # the referee takes long for many
            score = exact.scores(bundle, exact.terms(bundle, bundle.user_codes[0], pool.items[rows]))
            if pooled(where, 0).tolist() != rows[exact.top(score, k)].tolist():
                raise AssertionError(f"{name}: the answer is not the best of the allowed outfits")
        elif not np.isin(found := pooled(where, 0), rows).all() or len(found) != min(k, len(rows)):
            raise AssertionError(f"{name}: an answer that is not allowed, or too few")


def show(result: dict[str, Any], options: argparse.Namespace) -> None:
    """A table."""
    times, ratios = result["milliseconds"], result["ratios"]
    print(f"{result['machine']}; numpy {np.__version__}")
    print(f"{options.outfits:,} outfits, {options.items_per_type:,} items a type, k = {options.k}, one thread")
    print(f"medians in ms; without a filter {times['none']:.2f}, completion {times['complete none']:.2f}\n")
    print(f"{'let through':22}" + "".join(f"{share:>16.1%}" for share in SHARES.values()))
    labels = {
        "top": "price of the tops",
        "all": "price of all items",
        "total": "total budget",
        "complete": "completion",
    }
    for kind, label in labels.items():
        cells = [f"{times[f'{kind} {name}']:8.2f} {ratios[f'{kind} {name}']:6.2f}x" for name in SHARES]
        print(f"{label:22}" + "".join(f"{cell:>16}" for cell in cells))
    print(f"\nworst ratio {result['worst_ratio']:.2f}; columns read in {result['seconds_columns_cold']:.2f} s, once")


if __name__ == "__main__":
    main()
