"""Redraws the figures of the documents from results/: python benchmarks/draw.py [--check]

A document marks a block by `<!-- figures:NAME -->` and `<!-- /figures -->`; NAME is a function of BLOCKS, and what
stands between is replaced by what it makes of the files under results/. With --check nothing is written; documents
that differ are named.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from statistics import mean, stdev
from typing import Any

from tables import figures, share, spread, table
from tables_of_answers import ANSWERS
from tables_of_distillation import DISTILLATION
from tables_of_rankings import RANKINGS
from tables_of_scale import SCALE
from tables_of_speed import answers, real

from fashion_hash.core.files import write_text
from results import PROJECT, RESULTS, read

DOCUMENTS = ("README.md", "docs/benchmarks.md", "docs/distillation.md", "docs/scale.md")
MARKED = re.compile(r"(<!-- figures:([\w-]+) -->\n).*?(<!-- /figures -->)", re.DOTALL)


def in_precision(name: str) -> str:
    """AUC of the demo in a precision, over seeds."""
    found = [row["binary_auc"] for row in figures("train_precision")["precision"] if row["precision"] == name]
    return spread({"mean": mean(found), "std": stdev(found)})


def measured() -> str:
    """What was measured, one line each, with the command that repeats it."""
    iqon, sample, rows = (
        figures("train_iqon")["iqon"],
        figures("train_sample")["sample"],
        figures("train_throughput")["rows"],
    )
    ratio = {(row["data"], row["batch"]): row for row in rows}
    pool, compose, cold = figures("pool"), figures("compose"), figures("cold_start")
    complete = {row["candidates"]: row for row in figures("complete")["rows"]}
    filters, updates, search = figures("filters"), figures("updates"), figures("search")
    small, large = ratio["many items", 64], ratio["many items", 256]
    lines = [
        (
            "IQON3000 test, ids only, 128 bits: pairs in the right order",
            f"{share(iqon['binary_auc'])} binary, {share(iqon['relaxed_auc'])} relaxed; "
            f"popularity {share(iqon['popularity'], 3)}; trained in {iqon['minutes']:.1f} minutes",
            "train_iqon",
        ),
        (
            "sample, words only: AUC of binary codes against 10 random negatives",
            f"{share(sample['binary_auc'])}; the planted truth scores {share(sample['truth_auc'])}: "
            f"{sample['share_of_truth']:.0%} of the way",
            "train_sample",
        ),
        (
            "training: pairs a second against a plain loop over items, sample",
            f"{ratio['sample', 64]['ratio']:.1f}x (batch 64), {ratio['sample', 256]['ratio']:.1f}x (batch 256)",
            "train_throughput",
        ),
        (
            f"the same with {small['items'] // 3:,} items a type, which hardly repeat",
            f"{small['ratio']:.1f}x and {large['ratio']:.1f}x; "
            f"{small['ratio_few_items']:.1f}x and {large['ratio_few_items']:.1f}x with `negatives.items_a_batch`, "
            f"{small['ratio_half']:.1f}x and {large['ratio_half']:.1f}x with `train.precision=bf16`, "
            f"{small['ratio_few_items_half']:.1f}x and {large['ratio_few_items_half']:.1f}x with both",
            "train_throughput",
        ),
        (
            "the sample's words in half precision: AUC of binary codes, three seeds",
            f"{in_precision('bf16')}; in single precision {in_precision('fp32')}",
            "train_precision",
        ),
        (f"cold start to the first answer, {cold['outfits']:,} outfits", f"{cold['seconds']:.1f} s", "cold_start"),
        (
            "pool of 1 million outfits, exact top 10, one user",
            f"{pool['milliseconds_single']:.1f} ms, {pool['ratio_single']:.2f}x of faiss's plain Hamming search",
            "pool",
        ),
        (
            "the same, 64 users at once",
            f"{pool['milliseconds_batch']:.0f} ms, {pool['ratio_batch']:.2f}x; "
            f"{pool['bytes_per_outfit']:.0f} bytes an outfit scanned",
            "pool",
        ),
        (
            "composition out of 10,000 items a type (10^12 outfits), exact top 100",
            f"{1e3 * compose['seconds_10000']:.0f} ms a user; {1e3 * compose['seconds_2000']:.0f} ms at 2,000 a type",
            "compose",
        ),
        ("completion of one slot among 100,000 items", f"{complete[100_000]['milliseconds']:.1f} ms", "complete"),
        (
            "a filter over the pool of a million, first time asked",
            f"{filters['least_ratio']:.1f}x to {filters['usual_ratio']:.1f}x of no filter; "
            f"{filters['worst_ratio']:.1f}x where all types are narrowed, to 1 % together",
            "filters",
        ),
        (
            "changes a second while others ask",
            f"{updates['updates_per_second']:,.0f}, queries at {updates['latency_ratio']:.1f}x their idle time; "
            f"{updates['kills']} kills, {updates['lost'] or 'nothing'} lost",
            "updates",
        ),
        (
            "a request in words over a million items",
            f"{search['beyond_encoder_milliseconds']:.1f} ms beyond the encoder's "
            f"{search['encoder_milliseconds']:.0f} ms; the scan {search['ratio']:.2f}x of faiss",
            "search",
        ),
    ]
    commands = (re.sub(r"^.*?(benchmarks|tools)/", "", read(name)["command"]) for *_, name in lines)
    rows = [(what, said, f"`{command}`") for (what, said, _), command in zip(lines, commands)]
    return table(("what", "figure", "command"), rows)


def short() -> str:
    """The figures of the README."""
    iqon, pool, compose, updates = (
        figures("train_iqon")["iqon"],
        figures("pool"),
        figures("compose"),
        figures("updates"),
    )
    taught = {
        row["case"]: row["figures"] for row in figures("distillation_iqon")["ablation"] if row["form"] == "binary"
    }
    lines = [
        (
            "IQON3000, ids only, 128 bits: pairs in the right order",
            f"{share(iqon['binary_auc'])}, popularity {share(iqon['popularity'], 3)}; "
            f"taught by a calibrated teacher {spread(taught['FHN + both']['file AUC'])}",
        ),
        ("time to train it", f"{iqon['minutes']:.1f} minutes"),
        (
            "pool of a million outfits, exact top 10",
            f"{pool['milliseconds_single']:.1f} ms, {pool['ratio_single']:.2f}x of faiss's plain Hamming search",
        ),
        (
            "whole outfits out of 10,000 items a type (10^12), exact top 100",
            f"{1e3 * compose['seconds_10000']:.0f} ms",
        ),
        ("changes a second while others ask", f"{updates['updates_per_second']:,.0f}"),
    ]
    return table(("what", "figure"), lines)


def iqon_changes() -> str:
    """What one change to the recipe of IQON3000 does."""
    rows = [
        (row["change"], f"`{row['set']}`", ", ".join(share(value, 3) for value in row["accuracy"]))
        for row in figures("iqon_changes")["rows"]
    ]
    return table(("change", "setting", "accuracy"), rows, right=1)


def requests() -> str:
    """Requests against the whole catalogue."""
    found = figures("requests")
    scorers = {
        "taste + words": "taste + words, bits",
        "words only": "text only, bits",
        "taste only": "user only, bits",
        "BM25": "BM25",
        "popularity": "popularity",
    }
    rows = []
    for data, title, most in (("sample", "sample", "recall@10"), ("amazon", "Amazon Fashion", "recall@5")):
        for metric in (most, "mrr"):
            means = [found[data]["scorers"][scorer][metric] for scorer in scorers.values()]
            std = found[data]["spread"][scorers["taste + words"]][metric]
            cells = [spread({"mean": means[0], "std": std}, 3), *(share(mean, 3) for mean in means[1:])]
            rows.append((f"{title}, {metric.replace('mrr', 'MRR')}", *cells))
    return table(("", *scorers), rows, right=5)


def fold_in() -> str:
    """Fold-in beside training."""
    found = figures("foldin")
    [five] = [row for row in found["folded"] if row["told"] == 5]
    rows = [
        ("nothing known of the user", found["nonpersonal"]["all"]),
        ("5 outfits, folded in", five["fit"]["all"]),
        ("the same 5 outfits, trained in", five["trained_in_same"]["all"]),
        ("all their outfits, trained in", found["trained_in_all"]["all"]),
    ]
    return table(("", "accuracy of pairs"), [(what, share(value, 3)) for what, value in rows], right=1)


def engines() -> str:
    """Milliseconds of each engine, and as a multiple of faiss's plain Hamming search in the same run."""
    rows = []
    for row in figures("query")["results"]:
        times = row["milliseconds"]
        cells = (
            f"{times[name]:.1f} ms ({times[name] / times['plain']:.1f}x)" for name in ("factored", "hamming", "scan")
        )
        rows.append((f"{row['outfits']:,}", *cells))
    return table(("outfits in the pool", "`factored`", "`hamming`", "`scan`"), rows, right=3)


def weights() -> str:
    """Weights of events and a half-life on a made shop."""
    rows = [
        (name, *(spread(auc[split], 3) for split in ("valid", "test")))
        for name, auc in figures("weights")["auc"].items()
    ]
    return table(("what counts in training", "validation AUC", "test AUC"), rows, right=2)


def shop_scale() -> str:
    """Seconds and memory of each step at the size of a large shop."""
    rows = [(row["step"], f"{row['seconds']:.0f}", f"{row['peak_mb']:,}") for row in figures("shop_scale")["steps"]]
    return table(("step", "seconds", "peak memory so far, MB"), rows, right=2)


def build() -> str:
    """Seconds and memory of building an index and partner lists."""
    rows = [
        (row["step"], f"{row['seconds']:.0f}", f"{row['own_mb']:,}", f"{row['with_files_mb']:,}")
        for row in figures("build")["steps"]
    ]
    return table(("step", "seconds", "memory, MB", "with pages of files, MB"), rows, right=3)


def readers() -> str:
    """Seconds and memory of reading a large data set, by format."""
    rows = [
        (f"`{row['format']}`", f"{row['files_mb']:,}", f"{row['seconds']:.0f}", f"{row['peak_mb']:,.0f}")
        for row in figures("readers")["rows"]
    ]
    return table(("format", "files, MB", "seconds", "peak memory, MB"), rows, right=3)


def clicks() -> str:
    """Bits and float baselines on a made log of clicks: recall@20, means over seeds."""
    rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in figures("clicks")["rows"]:
        rows.setdefault((row["model"], row["form"]), []).append(row)
    cells = [
        (
            model,
            form,
            *(share(mean(row[key] for row in of)) for key in ("valid", "test")),
            f"{mean(row['cpu_seconds'] for row in of):.0f}",
        )
        for (model, form), of in rows.items()
    ]
    return table(("", "a user", "recall@20, validation", "recall@20, test", "CPU seconds"), cells, right=3)


def origins() -> str:
    """Where every file of figures comes from."""
    rows = []
    for path in sorted(RESULTS.glob("*.json")):
        one = read(path.stem)
        rows.append((f"`{path.name}`", one["date"], one["commit"], one["machine"], one.get("source", "measured")))
    return table(("file", "date", "commit", "machine", "source"), rows)


BLOCKS: dict[str, Callable[[], str]] = {
    **RANKINGS,
    **DISTILLATION,
    **SCALE,
    "real": real,
    "answers": answers,
    "measured": measured,
    "short": short,
    "iqon-changes": iqon_changes,
    "requests": requests,
    "fold-in": fold_in,
    "engines": engines,
    "weights": weights,
    "shop-scale": shop_scale,
    "build": build,
    "clicks": clicks,
    "readers": readers,
    "origins": origins,
    **ANSWERS,
}


def redrawn(text: str) -> str:
    """A document with its blocks as the results say. Raises KeyError for a block that nothing draws."""
    return MARKED.sub(lambda match: f"{match[1]}{BLOCKS[match[2]]()}{match[3]}", text)


def main(argv: Sequence[str] | None = None) -> int:
    """Redraws, or checks; returns 1 where a document is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; name the documents that differ")
    options = parser.parse_args(argv)
    differing = 0
    for name in DOCUMENTS:
        path = PROJECT / name
        text = path.read_text(encoding="utf-8")
        new = redrawn(text)
        if new != text:
            differing += 1
            print(f"{name}: {'differs from results/; run make figures' if options.check else 'redrawn'}")
            if not options.check:
                write_text(path, new)
    return 1 if options.check and differing else 0


if __name__ == "__main__":
    sys.exit(main())
