"""Speed on trained bundles: recommendations, compositions and their budgets, beside made random codes and faiss.

    python benchmarks/bench_real.py [--iqon BUNDLE | --data IQON3000] [--sample BUNDLE] [--keep runs/bench] [--save]

Bundles of trained codes are made once and kept in a folder (trained_world.py). Pools: one user and 64 at once, the ten
best outfits, beside faiss's plain Hamming search over the same outfits, which answers another question. Compositions:
ten outfits of IQON3000, a hundred of three and four slots; faiss has no answer to them. Budgets: the most that a
composition took beyond 1.1 times its seconds, over all bundles, with and without partner lists, capped or not. Times
are of the clock, one process, warm.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from compose_world import compose_world
from machine import machine
from trained_world import FOUR, THREE, trained_bundle

import results
from fashion_hash.bundle.bundle import Bundle
from fashion_hash.config.experiment import load_config
from fashion_hash.index.build import build_index
from fashion_hash.index.engines.early import load_kernels
from fashion_hash.index.partners import build_partners, open_partners
from fashion_hash.retrieval.composition.branch_and_bound import SearchLimits
from fashion_hash.retrieval.composition.compose import compose
from fashion_hash.retrieval.composition.problem import CompositionTask
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.training.export.bundle import export_bundle
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.runs.run import load_data

BATCH, K = 64, 10
BUDGETS = (0.005, 0.02, 0.05, 0.2, 1.0)
BEYOND = 1.1  # of its seconds that a composition may take


def main(argv: Sequence[str] | None = None) -> int:
    """Prints tables, or one JSON object with --json."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--keep", type=Path, default=results.PROJECT / "runs" / "bench", help="the folder of bundles")
    parser.add_argument("--iqon", type=Path, help="a bundle of configs/iqon3000.yaml")
    parser.add_argument("--data", type=Path, help="the folder of IQON3000, to train that bundle from")
    parser.add_argument("--sample", type=Path, help="a bundle of configs/demo.yaml; else polyvore_data is trained on")
    parser.add_argument("--users", type=int, default=20, help="who compose out of three and four slots")
    results.add_options(parser)
    options = parser.parse_args(argv)
    if options.users < 1:
        parser.error("--users must be at least 1")
    load_kernels()
    faiss.omp_set_num_threads(1)
    pools, skipped = {}, {}
    for name, found in (
        ("IQON3000", _iqon(options)),
        ("sample", _trained("demo", options.sample, Path("polyvore_data"), options.keep)),
    ):
        if isinstance(found, str):
            skipped[name] = found
        else:
            pools[name] = recommendations(found)
            if name == "IQON3000":
                pools[name] |= two_slots(found)
    rows = [composition(options, slots, size) for slots, size in ((THREE, 10_000), (THREE, 20_000), (FOUR, 10_000))]
    result = {"machine": machine(), "k": K, "batch": BATCH, "pools": pools, "skipped": skipped, "rows": rows}
    if results.hand_over(options, result):
        return 0
    for name, figures in {**pools, **skipped}.items():
        print(name, figures)
    for row in rows:
        print(row)
    return 0


def _iqon(options: argparse.Namespace) -> Path | str:
    root = Path("no folder") if options.data is None else options.data
    return _trained("iqon3000", options.iqon, root, options.keep)


def _trained(name: str, given: Path | None, root: Path, keep: Path) -> Path | str:
    """A bundle that was given or kept, or one that is trained with configs/NAME.yaml; or why there is none."""
    path = keep / name / "bundle"
    if given is not None or path.exists():
        return given or path
    if not root.exists():
        return f"no bundle is given, and the data is not at {root}"
    config = load_config(results.PROJECT / "configs" / f"{name}.yaml")
    config = config.model_copy(update={"data": config.data.model_copy(update={"root": str(root)})})
    dataset = load_data(config)
    bundle = export_bundle(fit(config, dataset, keep / name), path, dataset)
    build_index(bundle, dataset.outfits)
    build_partners(Bundle.open(path))
    return path


def recommendations(path: Path) -> dict[str, Any]:
    """Milliseconds a user, alone and among 64, of ours and of faiss over the codes of the outfits."""
    recommender = Recommender.load(path, verify=False)
    bundle, pool = recommender.bundle, recommender.pool
    index = _plain_index(bundle, pool.items)
    rows = np.arange(10 * BATCH) % len(bundle.users)  # the sample has fewer
    users = bundle.users.at(rows)
    queries = np.tile(bundle.user_codes[rows], (1, len(bundle.slots) * len(bundle.modalities)))
    batches = [slice(start, start + BATCH) for start in range(0, len(users) - BATCH + 1, BATCH)]
    # one after the other: what another index reads in between is gone from the caches
    alone = [milliseconds(lambda: recommender.recommend(user, K)) for user in users[:300]]  # noqa: B023
    theirs = [milliseconds(lambda: index.search(query[None], K)) for query in queries[:300]]  # noqa: B023
    recommender.recommend(users[:BATCH], K)
    many = [milliseconds(lambda: recommender.recommend(users[part], K)) / BATCH for part in batches]  # noqa: B023
    their_many = [milliseconds(lambda: index.search(queries[part], K)) / BATCH for part in batches]  # noqa: B023
    return {
        "outfits": len(pool),
        "alone": float(np.median(alone)),
        "in_a_batch": float(np.median(many)),
        "faiss_alone": float(np.median(theirs)),
        "faiss_in_a_batch": float(np.median(their_many)),
    }


def _plain_index(bundle: Bundle, items: np.ndarray) -> Any:
    parts = [
        bundle.item_codes[kind][np.maximum(items[:, slot], 0)].reshape(len(items), -1)
        for slot, kind in enumerate(bundle.slots)
    ]
    codes = np.ascontiguousarray(np.concatenate(parts, axis=1))
    index = faiss.IndexBinaryFlat(8 * codes.shape[1])
    index.add(codes)
    return index


def two_slots(path: Path, users: int = 200) -> dict[str, float]:
    """Milliseconds of the ten best outfits out of all items: the median and the worst of some users."""
    bundle = Bundle.open(path, verify=False)
    partners = open_partners(bundle, verify=False) if (bundle.path / "partners").exists() else None
    tasks = [CompositionTask(bundle, key, partners=partners) for key in bundle.user_keys[:users]]
    compose(tasks[0], K)
    times = [milliseconds(lambda: compose(task, K)) for task in tasks]  # noqa: B023
    return {"composed": float(np.median(times)), "composed_worst": max(times)}


def composition(options: argparse.Namespace, slots: tuple[str, ...], size: int, k: int = 100) -> dict[str, Any]:
    """Seconds of the best hundred outfits, of trained codes and of made ones, and what budgets are exceeded by."""
    trained = Bundle.open(trained_bundle(options.keep, slots, size), verify=False)
    path = options.keep / f"random-{'_'.join(slots)}-{size}"
    if not (path / "partners").exists():
        build_partners(compose_world(path, "random", size, options.users, slots))
    row: dict[str, Any] = {"slots": slots, "items": size, "k": k}
    for codes, bundle in (("trained", trained), ("random", Bundle.open(path, verify=False))):
        partners = open_partners(bundle, verify=False)
        tasks = [CompositionTask(bundle, key, partners=partners) for key in bundle.user_keys[: options.users]]
        for task in tasks[:3]:  # kernels are loaded when they are first needed
            compose(task, k, limits=SearchLimits(seconds=5))
        times = []
        for task in tasks:
            begin = time.perf_counter()
            answer = compose(task, k, limits=SearchLimits(seconds=10))
            times.append(time.perf_counter() - begin)
            assert answer.proven or times[-1] > 9
        row[codes] = {"median": float(np.median(times)), "worst": max(times)}
        hurried = [*tasks[:2], *(replace(task, partners=None) for task in tasks[2:4])]
        row[codes]["late"] = {str(budget): _late(hurried, k, budget) for budget in BUDGETS}
    return row


def _late(tasks: Sequence[CompositionTask], k: int, budget: float) -> float:
    """Milliseconds by which compositions with a budget ended after 1.1 times of it, at most; 0 where none did."""
    late = 0.0
    for task, most in product(tasks, (None, 2)):
        begin = time.perf_counter()
        compose(task, k, most, SearchLimits(seconds=budget))
        late = max(late, 1e3 * (time.perf_counter() - begin - BEYOND * budget))
    return late


def milliseconds(work: Callable[[], object]) -> float:
    """Of the clock."""
    begin = time.perf_counter()
    work()
    return (time.perf_counter() - begin) * 1e3


if __name__ == "__main__":
    raise SystemExit(main())
