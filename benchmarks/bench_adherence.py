"""Do the first items of an answer have what a request says? Adherence in bits, floats and bits with facts.

    python benchmarks/bench_adherence.py [--seeds 0 1 2] [--bits 256] [--sample FOLDER] [--set key=value]...
        [--runs FOLDER] [--json]

Trains configs/requests_sample.yaml once a seed and measures, on the test split:
  * the share of the first two items with every hard fact, for 120 pairs of a colour and a kind that at least two items
    have, said in four ways (request_sets.py), with a user and without; and, for the plain pairs, with the kind and with
    the colour alone;
  * satisfied NDCG@10 of 800 requests as users type them (data/requests/typed.py);
  * recall@10 and MRR of the items that were taken, for the requests of the split.
  * without training, for the plain pairs: how many signs of the encoder keep colour and kind (encoder_signs.py).
What an item has is read off the columns of the catalogue, not off the words.

--bits 64 128 256: trains codes of each length. --runs keeps the runs in a folder, and uses those that are there.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from encoder_signs import sign_adherence
from machine import machine
from request_sets import PLAIN, SETS, facts_alone, request_sets

import results
from fashion_hash.config.experiment import load_experiment
from fashion_hash.config.requests import RequestConfig
from fashion_hash.data.requests.table import RequestData, Requests
from fashion_hash.data.requests.typed import typed_requests
from fashion_hash.data.sample.write import make_sample
from fashion_hash.evaluation.judged import ALL, judged_metrics, judged_values
from fashion_hash.evaluation.requests import Score, request_metrics, request_values
from fashion_hash.training.measure import requests as rows
from fashion_hash.training.requests.inputs import RequestInputs, load_request_data
from fashion_hash.training.requests.loop import fit_requests
from fashion_hash.training.requests.run import RequestRun

PROJECT = Path(__file__).resolve().parent.parent
USER, ANYONE = "with a user", "without"
SHOWN = (rows.ANSWER, rows.BITS, rows.RERANK, rows.FLOAT, rows.TEXT_ONLY, rows.USER_ONLY, rows.BM25, rows.ZERO_SHOT)
Figures = dict[str, dict[str, float]]  # by row, by column


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--bits", type=int, nargs="+", default=[256])
    parser.add_argument("--sample", type=Path, default=PROJECT / "polyvore_data")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--runs", type=Path, help="a folder that keeps the runs")
    parser.add_argument("--threads", type=int, default=1)
    results.add_options(parser)
    options = parser.parse_args(argv)
    torch.set_num_threads(options.threads)
    if not options.sample.exists():
        make_sample(options.sample, pictures=False)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.runs or Path(temporary)
        figures = {str(bits): _of_seeds(options, bits, folder) for bits in options.bits}
    signs = of_signs(options)
    if results.hand_over(options, {"seeds": options.seeds, "figures": figures, "signs": signs}):
        return 0
    for name, table in figures.items():
        print(f"{name} bits")
        print(_table(table))
    for name, shares in signs.items():
        print(f"untrained encoder, {name}: " + ", ".join(f"{asked} {share:.3f}" for asked, share in shares.items()))
    print(machine())
    return 0


def _config(options: argparse.Namespace, seed: int, bits: int | None) -> RequestConfig:
    overrides = [f"data.root={options.sample}", f"seed={seed}", *options.set]
    overrides += [] if bits is None else [f"requests.num_bits={bits}"]
    config = load_experiment(PROJECT / "configs" / "requests_sample.yaml", overrides)
    assert isinstance(config, RequestConfig)
    return config


def _of_seeds(options: argparse.Namespace, bits: int, folder: Path) -> dict[str, Any]:
    of_seeds = []
    for seed in options.seeds:
        config = _config(options, seed, bits)
        data = load_request_data(config)
        path = folder / f"bits{bits}-seed{seed}"
        done = path / "curve.png"  # drawn after the last epoch
        run = RequestRun.open(path) if done.is_file() else fit_requests(config, data, path)
        of_seeds.append(measure(run, data, seed))
        print(f"{bits} bits, seed {seed}: {of_seeds[-1][rows.ANSWER]}", file=sys.stderr, flush=True)
    values = {
        row: {column: [figures[row][column] for figures in of_seeds] for column in of_seeds[0][row]}
        for row in of_seeds[0]
    }
    return {
        name: {row: {column: of_values(of) for column, of in columns.items()} for row, columns in values.items()}
        for name, of_values in (("mean", statistics.mean), ("spread", statistics.pstdev))
    }


def measure(run: RequestRun, data: RequestData, seed: int) -> Figures:
    """Every column of the table for every row of `SHOWN`."""
    sets, typed = request_sets(data, seed), typed_requests(data, "test", seed)
    taken = data.split("test")
    texts = (*sets.requests.texts, *typed.requests.texts, *taken.texts)
    scorers = rows.request_scorers(run, "test", data, texts)
    figures: Figures = {}
    for row in SHOWN:
        score = remembered(scorers[row])
        of_row: dict[str, float] = {}
        for name, asked in ((USER, sets), (ANYONE, sets.anonymous())):
            metrics = judged_metrics(judged_values(score, asked), asked.kinds)
            of_row |= {f"{kind}, {name}": _known(metrics[kind]["adherence@2"]) for kind in SETS}
        for name, alone in facts_alone(data, sets).items():
            of_row[f"with the {name}"] = _known(
                judged_metrics(judged_values(score, alone), alone.kinds)[ALL]["adherence@2"]
            )
        metrics = judged_metrics(judged_values(score, typed), typed.kinds)
        of_row |= {"typed: adherence@2": _known(metrics[ALL]["adherence@2"])}
        of_row |= {"typed: satisfied NDCG@10": _known(metrics[ALL]["satisfied_ndcg@10"])}
        of_taken = request_metrics(request_values(score, taken))
        of_row |= {"taken: recall@10": of_taken["recall@10"], "taken: MRR": of_taken["mrr"]}
        figures[row] = of_row
    return figures


def remembered(score: Score) -> Score:
    """A scorer that scores each pair of user and text once."""
    rows_of: dict[tuple[int, str], np.ndarray] = {}

    def scores(asked: Requests) -> np.ndarray:
        keys = list(zip(asked.users.tolist(), asked.texts))
        new = np.array([at for at, key in enumerate(keys) if key not in rows_of], dtype=np.int64)
        if len(new):
            rows_of.update(zip((keys[at] for at in new), np.asarray(score(asked[new]))))
        return np.stack([rows_of[key] for key in keys])

    return scores


def of_signs(options: argparse.Namespace) -> Figures:
    """What `sign_adherence` gives for the plain pairs."""
    config = _config(options, options.seeds[0], None)
    data = load_request_data(config)
    sets = request_sets(data, config.seed)
    plain = sets[np.array([at for at, kind in enumerate(sets.kinds) if kind == PLAIN])]
    return sign_adherence(RequestInputs(config, data), {"both": plain, **facts_alone(data, sets)}, config.seed)


def _known(value: float | None) -> float:
    return float("nan") if value is None else value


def _table(table: Mapping[str, Any]) -> str:
    """One line for each column, one column for each row of the figures."""
    mean, spread = table["mean"], table["spread"]
    names = list(next(iter(mean.values())))
    width, cell = max(map(len, names)), max(15, *(len(row) + 2 for row in mean))
    lines = [" " * width + "".join(row.rjust(cell) for row in mean)]
    for name in names:
        cells = []
        for row in mean:
            cells.append(f"{mean[row][name]:.3f} ± {spread[row][name]:.3f}".rjust(cell))
        lines.append(name.ljust(width) + "".join(cells))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
