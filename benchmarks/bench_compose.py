"""Composition: the exact top 100 outfits over all tops x bottoms x shoes of a catalogue, for a user.

    python benchmarks/bench_compose.py [--sizes 500,1000,2000,5000,10000,20000] [--codes random,clustered]
                                       [--plot docs/compose_growth.png] [--json]

128 bits, 2 modalities, both bit weights learned; random codes (the hard case) and clustered ones. Beside
it, in the same run: brute force where it can be had, and beam search, the usual way, with what it misses.
Seconds are a user's best of --repeats runs, then the mean over users; partner lists are opened before.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from compose_world import CODES, compose_world
from machine import machine

import results
from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import WEIGHT_ONE, unpack
from fashion_hash.index import exact
from fashion_hash.index.partners import build_partners, open_partners
from fashion_hash.index.products import product
from fashion_hash.retrieval.composition.compose import Composition, compose
from fashion_hash.retrieval.composition.problem import CompositionTask

BRUTE_FORCE_UP_TO = 500
WIDTHS = (100, 1000)


def main(argv: Sequence[str] | None = None) -> int:
    """Prints a table, or one JSON object with --json."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--sizes", default="500,1000,2000,5000,10000,20000", help="items of each type")
    parser.add_argument("--codes", default="random,clustered", help="kinds of codes, of " + ", ".join(CODES))
    parser.add_argument("--slots", default="top,bottom,shoe")
    parser.add_argument("-k", type=int, default=100)
    parser.add_argument("--users", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--plot", type=Path, help="write the growth as a picture here")
    results.add_options(parser)
    options = parser.parse_args(argv)
    sizes, kinds = [int(size) for size in options.sizes.split(",")], options.codes.split(",")
    if min(*sizes, options.k, options.users, options.repeats) < 1 or not set(kinds) <= set(CODES):
        parser.error(f"sizes, -k, --users and --repeats from 1 on, codes of {', '.join(CODES)}")
    rows = []
    for codes in kinds:
        for size in sizes:
            with tempfile.TemporaryDirectory() as folder:
                rows.append(measure(Path(folder) / "bundle", codes, size, options))
            if not options.json:
                print_row(rows[-1], first=len(rows) == 1)
    hardest = [row for row in rows if row["codes"] == kinds[0]]
    result = {
        "machine": machine(),
        "slots": options.slots.split(","),
        "k": options.k,
        **{f"seconds_{row['items']}": row["seconds"] for row in hardest},
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "rows": rows,
    }
    if options.plot:
        plot(rows, options.plot)
    if not results.hand_over(options, result):
        print(f"\n{result['machine']}; peak memory of the whole run {result['peak_gib']:.2f} GiB")
    return 0


def measure(path: Path, codes: str, size: int, options: argparse.Namespace) -> dict[str, Any]:
    """All figures for one catalogue."""
    bundle = compose_world(path, codes, size, options.users, tuple(options.slots.split(",")))
    build = seconds(lambda: build_partners(bundle))
    opened = seconds(lambda: open_partners(bundle, verify=False))
    partners = open_partners(bundle, verify=False)
    tasks = [CompositionTask(bundle, code, partners=partners) for code in bundle.user_codes[: options.users]]
    compose(tasks[0], options.k)  # compiled, files read once
    answers, times, processor = [], [], []
    for task in tasks:
        runs = [clocks(lambda: compose(task, options.k)) for _ in range(options.repeats)]  # noqa: B023
        answers.append(compose(task, options.k))
        times.append(min(wall for wall, _ in runs))
        processor.append(min(busy for _, busy in runs))
    assert all(answer.proven for answer in answers)
    row = {
        "codes": codes,
        "items": size,
        "outfits": float(size) ** len(bundle.slots),
        "seconds": float(np.mean(times)),
        "seconds_max": max(times),
        "processor_seconds": float(np.mean(processor)),
        "expanded": float(np.mean([answer.expanded for answer in answers])),
        "build_seconds": build,
        "open_seconds": opened,
        "lists_mib": sum(array.nbytes for pair in partners.values() for array in pair) / 2**20,
    }
    if len(set(bundle.slots)) == len(bundle.slots):
        for width in WIDTHS:
            row[f"beam_{width}"] = beam_figures(bundle, answers, width, options)
    if size <= BRUTE_FORCE_UP_TO and len(bundle.slots) == 3 and len(set(bundle.slots)) == 3:
        row["brute_force_seconds"] = seconds(lambda: brute_force(bundle, 0, options.k))
        assert np.array_equal(brute_force(bundle, 0, options.k), answers[0].scores)
    return row


def beam_figures(
    bundle: Bundle, answers: list[Composition], width: int, options: argparse.Namespace
) -> dict[str, float]:
    """Time of a beam, how often it misses the best outfit, and the share of the true top k that it misses."""
    times, missed_best, missed = [], [], []
    for user, answer in enumerate(answers):
        found: list[np.ndarray] = []
        times.append(seconds(lambda: found.append(beam_search(bundle, user, options.k, width))))  # noqa: B023
        mine = set(map(tuple, found[0].tolist()))
        true = list(map(tuple, answer.items.tolist()))
        missed_best.append(true[0] not in mine)
        missed.append(float(np.mean([outfit not in mine for outfit in true])))
    return {
        "seconds": float(np.mean(times)),
        "misses_best": float(np.mean(missed_best)),
        "misses_of_top_k": float(np.mean(missed)),
    }


def parts(bundle: Bundle, user: int) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
    """Item values, codes and pair weights by slot, such that their sums rank outfits: float32."""
    num_slots = len(bundle.slots)
    num_pairs = num_slots * (num_slots - 1) // 2
    taste = unpack(bundle.user_codes[user]) * (bundle.preference_weights / WEIGHT_ONE)
    codes = [
        unpack(bundle.item_codes[kind]).reshape(len(bundle.items[kind]), -1).astype(np.float32) for kind in bundle.slots
    ]
    query = np.tile(taste, len(bundle.modalities)).astype(np.float32) * bundle.preference_scale * num_pairs
    weights = np.tile(bundle.compatibility_weights / WEIGHT_ONE, len(bundle.modalities)).astype(np.float32)
    return [code @ query for code in codes], codes, weights * (bundle.compatibility_scale * num_slots)


def beam_search(bundle: Bundle, user: int, k: int, width: int) -> np.ndarray:
    """The usual beam: the `width` best partial outfits by their score so far, slot after slot; (k, S) rows."""
    values, codes, weights = parts(bundle, user)
    outfits, sums = np.zeros((1, 0), dtype=np.int64), np.zeros(1, dtype=np.float32)
    chosen = np.zeros((1, codes[0].shape[1]), dtype=np.float32)  # sum of the codes chosen so far
    for slot in range(len(codes)):
        scores = product(chosen * weights, np.ascontiguousarray(codes[slot].T)) + values[slot] + sums[:, None]
        keep = k if slot == len(codes) - 1 else width
        best = np.argpartition(-scores.ravel(), min(keep, scores.size) - 1)[:keep]
        parent, child = np.divmod(best, scores.shape[1])
        outfits = np.concatenate([outfits[parent], child[:, None]], axis=1)
        sums, chosen = scores.ravel()[best], chosen[parent] + codes[slot][child]
    return outfits


def brute_force(bundle: Bundle, user: int, k: int) -> np.ndarray:
    """Scores of the best outfits by looking at every one, a top at a time, with the pair sums at hand."""
    values, codes, weights = parts(bundle, user)
    pairs = {(a, b): product(codes[a] * weights, np.ascontiguousarray(codes[b].T)) for a, b in ((0, 1), (0, 2), (1, 2))}
    rest = pairs[1, 2] + values[1][:, None] + values[2]
    found, floor = np.zeros((0, 3), dtype=np.int64), -np.inf
    sums = np.zeros(0, dtype=np.float32)
    for top in range(len(values[0])):
        score = rest + pairs[0, 1][top][:, None] + (pairs[0, 2][top] + values[0][top])
        places = np.flatnonzero(score >= floor)
        bottom, shoe = np.divmod(places, score.shape[1])
        found = np.concatenate([found, np.stack([np.full_like(bottom, top), bottom, shoe], axis=1)])
        sums = np.concatenate([sums, score.ravel()[places]])
        if len(sums) > 2 * k:
            best = np.argpartition(-sums, 2 * k)[: 2 * k]  # more than k: float32 may swap neighbours
            found, sums = found[best], sums[best]
            floor = sums.min()
    scores = exact.scores(bundle, exact.terms(bundle, bundle.user_codes[user], found))
    return np.sort(scores)[::-1][:k]


def clocks(work: Callable[[], object]) -> tuple[float, float]:
    """Wall-clock and processor seconds."""
    wall, busy = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - busy


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock seconds."""
    return clocks(work)[0]


def print_row(row: dict[str, Any], first: bool) -> None:
    if first:
        print("codes        items      outfits    exact (max, processor)  expanded   lists: build, MiB", end="")
        print("   brute force", *(f"  beam {width}: ms, misses best, of top" for width in WIDTHS), sep="")
    brute = f"{row['brute_force_seconds'] / row['seconds']:8.0f} x" if "brute_force_seconds" in row else " " * 10
    print(
        f"{row['codes']:<10}{row['items']:8}{row['outfits']:13.3g}{row['seconds'] * 1e3:8.1f} ms "
        f"({row['seconds_max'] * 1e3:.1f}, {row['processor_seconds'] * 1e3:.1f})".ljust(58)
        + f"{row['expanded']:8.0f}{row['build_seconds']:12.1f} s{row['lists_mib']:6.0f}    {brute}",
        end="",
    )
    for width in WIDTHS:
        if (beam := row.get(f"beam_{width}")) is not None:
            print(f"{beam['seconds'] * 1e3:12.1f} {beam['misses_best']:12.0%} {beam['misses_of_top_k']:9.1%}", end="")
    print(flush=True)


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """The growth with the catalogue, both axes logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.5), dpi=130)
    for codes, colour in zip(CODES, ("#b5432c", "#2c6fb5")):
        mine = [row for row in rows if row["codes"] == codes]
        if not mine:
            continue
        items = [row["items"] for row in mine]
        axes.plot(items, [row["seconds"] * 1e3 for row in mine], "o-", color=colour, label=f"exact, {codes} codes")
        if all(f"beam_{WIDTHS[-1]}" in row for row in mine):
            times = [row[f"beam_{WIDTHS[-1]}"]["seconds"] * 1e3 for row in mine]
            axes.plot(items, times, "s:", color=colour, alpha=0.5, label=f"beam of {WIDTHS[-1]} (not exact), {codes}")
    brute = [(row["items"], row["brute_force_seconds"] * 1e3) for row in rows if "brute_force_seconds" in row]
    if brute:
        axes.plot(*zip(*brute), "kx", label="brute force")
    axes.set(xscale="log", yscale="log", xlabel="items of each type", ylabel="milliseconds a user")
    axes.set_title("Exact top 100 of all outfits")
    axes.set_xticks([row["items"] for row in rows], [f"{row['items']:,}" for row in rows])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


if __name__ == "__main__":
    raise SystemExit(main())
