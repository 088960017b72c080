"""Questions, changes and nightly retrains together: does anything fail, get lost or mix two generations?

    python benchmarks/soak_retrain.py [--seconds 180] [--commands] [--json]

Threads and processes ask for recommendations and compositions (without a pause, or with --pause seconds after each
question, which leaves the trainings of --commands something of a small machine), others add items, outfits and users,
and now and then the bundle gets a new generation, which takes over what was told to the last one: a random model, or
with --commands what `fashion-hash train --with-live` and `build-index` make of a small shop, each time into the same
names.
Every answer is compared with what the model of its generation must answer, ids and scores; every change that was
acknowledged is asked for at once, and again at the end. `errors`, `lost` and `mixed` have to be 0.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import nights
import numpy as np
from machine import machine

import results
from fashion_hash.bundle.generations import latest, next_generation, remove_unused
from fashion_hash.bundle.write import BundleContents, write_bundle
from fashion_hash.core.files import write_json
from fashion_hash.core.locks import hold
from fashion_hash.core.outfits import Outfits
from fashion_hash.errors import BundleError
from fashion_hash.index.build import build_index
from fashion_hash.index.partners import build_partners
from fashion_hash.inference.content_heads import FEATURES, ContentHeads
from fashion_hash.inference.layers import Layer
from fashion_hash.inference.normaliser import Normaliser
from fashion_hash.retrieval.generations.carry import switch
from fashion_hash.retrieval.recommender import Recommender

PROJECT = Path(__file__).resolve().parent.parent
SLOTS, NUM_BITS, FEATURE, NUM_USERS = ("top", "bottom", "shoe"), 32, 8, 8
BUNDLE = "run/bundle"
STOP, PAUSE = "stop", "pause"  # the file that ends all, and the one that says how long to rest between questions
NEAR = 0.5  # seconds after a switch that count as around it


def main(argv: Sequence[str] | None = None) -> int:
    """Prints a table, or one JSON object with --json."""
    if (argv or sys.argv[1:])[:1] == ["--process"]:
        role, folder, name = (argv or sys.argv[1:])[1:]
        print(json.dumps(WORK[role](Path(folder), name)))
        return 0
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--every", type=float, default=3.0, help="seconds between retrains")
    parser.add_argument("--items", type=int, default=300, help="of each type")
    parser.add_argument("--outfits", type=int, default=5000)
    parser.add_argument("--pause", type=float, help="seconds between two questions (default: 0; with --commands .05)")
    parser.add_argument("--commands", action="store_true", help="retrain by the commands of a nightly job")
    results.add_options(parser)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        if options.commands:
            nights.make_shop(Path(folder), options.items, options.outfits, NUM_USERS)
        pause = options.pause if options.pause is not None else 0.05 * options.commands
        (Path(folder) / PAUSE).write_text(str(pause))
        figures = soak(Path(folder), options.seconds, options.every, options.items, options.outfits)
    if not results.hand_over(options, {"machine": machine(), **figures}):
        for name, value in figures.items():
            print(f"{name:24}{value}")
    return int(any(figures[name] for name in ("errors", "lost", "mixed")))


def soak(folder: Path, seconds: float, every: float, items: int, outfits: int) -> dict[str, Any]:
    """Runs everything for some seconds in a folder, and returns the figures."""
    retrain(folder, 1, items, outfits)
    ends, parts = time.monotonic() + seconds, []
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, "--process", role, str(folder), f"process {role}"],
            cwd=PROJECT,
            env=os.environ | {"PYTHONPATH": str(PROJECT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for role in ("ask", "change")
    ]
    shared = Recommender.load(folder / BUNDLE)
    roles = ("ask", "ask", "change")
    threads = [
        threading.Thread(
            target=lambda role=role, name=f"thread {number}": parts.append(WORK[role](folder, name, shared))
        )
        for number, role in enumerate(roles)
    ]
    for thread in threads:
        thread.start()
    switches, number = [], 1
    try:
        while time.monotonic() < ends or not switches:
            time.sleep(every)
            number += 1
            switches.append(retrain(folder, number, items, outfits))
    finally:
        (folder / STOP).touch()
    for thread in threads:
        thread.join()
    parts += [json.loads(text) for process in processes if (text := process.communicate()[0])]
    return _figures(folder, parts, switches, len(threads) + len(processes) - len(parts))


def _figures(folder: Path, parts: list[dict[str, Any]], switches: list[float], dead: int) -> dict[str, Any]:
    remove_unused(folder / BUNDLE)  # as the next retrain would: what is left is held by somebody, or leaked
    recommender = Recommender.load(folder / BUNDLE)
    written = [change for part in parts for change in part["written"]]
    lost = [change for change in written if not _is_kept(recommender, *change)]
    asked = np.array([line for part in parts for line in part["asked"]]).reshape(-1, 2)
    near = np.zeros(len(asked), dtype=bool)
    for moment in switches:
        near |= (asked[:, 0] + asked[:, 1] > moment) & (asked[:, 0] < moment + NEAR)
    errors = [error for part in parts for error in part["errors"]]
    figures: dict[str, Any] = {
        "answers": len(asked),
        "changes": len(written),
        "switches": len(switches),
        "errors": len(errors) + dead,
        "lost": len(lost),
        "mixed": sum(part["mixed"] for part in parts),
        "generations left": len(list((folder / BUNDLE / "generations").iterdir())),
    }
    for name, of in (("near a switch", near), ("otherwise", ~near)):
        if of.any():
            p50, p99 = np.percentile(asked[of, 1] * 1000, [50, 99])
            figures |= {f"ms p50 {name}": round(float(p50), 2), f"ms p99 {name}": round(float(p99), 2)}
    if errors or lost:
        figures["first"] = (errors or [str(lost[0])])[0]
    return figures


def retrain(folder: Path, number: int, items: int, outfits: int) -> float:
    """Another model, put in place; returns when it was current."""
    if not (folder / nights.POOL).exists():
        return _random_night(folder, number, items, outfits)
    current = nights.night(folder, number)
    _write_expected(folder, number, Recommender.load(folder / BUNDLE), outfits)
    return current


def _write_expected(folder: Path, number: int, recommender: Recommender, count: int) -> None:
    hits = recommender.answer("user-0", count)
    write_json(
        folder / f"expected-{number}.json",
        {hit.outfit_id: hit.score for hit in hits if hit.outfit_id.startswith("g")},
    )


def _random_night(folder: Path, number: int, items: int, outfits: int) -> float:
    """Another random model, as build-index would put it in place."""
    path = folder / BUNDLE
    with hold(path, "building the bundle", BundleError):
        with next_generation(path) as new:
            bundle = write_bundle(new, _contents(number, items))
            rng = np.random.default_rng(number)
            rows = np.stack([rng.integers(0, items, outfits) for _ in SLOTS], axis=1)
            pool = Outfits.of(SLOTS, np.zeros(outfits), rows)
            build_index(bundle, pool, [f"g{number}-{row}" for row in range(outfits)])
            build_partners(bundle)
        _write_expected(folder, number, Recommender.load(latest(path)), 50)
        switch(path, latest(path))
        current = time.time()
        remove_unused(path)
    return current


def _contents(number: int, items: int) -> BundleContents:
    rng = np.random.default_rng([number, 1])

    def signs(*shape: int) -> np.ndarray:
        return np.where(rng.random(shape) < 0.5, np.int8(-1), np.int8(1))

    layers = (Layer(rng.normal(0, 1, (NUM_BITS, FEATURE)).astype(np.float32)),)
    plain = Normaliser("none", np.zeros(FEATURE, dtype=np.float32), np.ones(FEATURE, dtype=np.float32))
    unknown = {item_type: np.ones(FEATURE, dtype=np.float32) for item_type in SLOTS}
    return BundleContents(
        name=f"night {number}",
        slots=SLOTS,
        modalities=("image",),
        users=tuple(f"user-{user}" for user in range(NUM_USERS)),
        items={item_type: tuple(f"{item_type}-{row}" for row in range(items)) for item_type in SLOTS},
        user_codes=signs(NUM_USERS, NUM_BITS),
        item_codes={item_type: signs(items, 1, NUM_BITS) for item_type in SLOTS},
        item_bias={item_type: np.zeros(items) for item_type in SLOTS},
        preference_weights=rng.uniform(0.5, 1.5, NUM_BITS),
        compatibility_weights=rng.uniform(0.5, 1.5, NUM_BITS),
        preference_scale=10,
        compatibility_scale=10,
        repeat_empty=False,
        history=Outfits.of(SLOTS, [1], [[0, 0, 0]]),
        details={},
        pictures={},
        model={},
        heads={"image": ContentHeads(dict.fromkeys(SLOTS, layers), plain, unknown, FEATURES, "random")},
    )


def ask(folder: Path, name: str, shared: Recommender | None = None) -> dict[str, Any]:
    """Asks until the end; answers of "user-0" must be those of one generation, with its scores."""
    recommender = shared or Recommender.load(folder / BUNDLE)
    part: dict[str, Any] = {"asked": [], "written": [], "errors": [], "mixed": 0}
    known: dict[str, dict[str, float]] = {}
    doubtful: list[dict[str, float]] = []
    turn, pause = 0, float((folder / PAUSE).read_text()) if (folder / PAUSE).exists() else 0.0
    while not (folder / STOP).exists():
        turn += 1
        time.sleep(pause)
        start, clock = time.time(), time.perf_counter()
        try:
            if turn % 10:
                hits = recommender.answer("user-0", 20)
            else:
                hits = recommender.compose("user-0", 1).hits
            part["asked"].append((start, time.perf_counter() - clock))
        except Exception as error:
            part["errors"].append(f"{name}: {type(error).__name__}: {error}")
            continue
        scores = {hit.outfit_id: hit.score for hit in hits if hit.outfit_id.startswith("g")} if turn % 10 else {}
        if not _is_of_one(folder, known, scores) and scores not in doubtful:
            doubtful.append(scores)  # of a generation that has just become current, perhaps
    part["mixed"] = sum(not _is_of_one(folder, known, scores) for scores in doubtful)
    return part


def _is_of_one(folder: Path, known: dict[str, dict[str, float]], scores: dict[str, float]) -> bool:
    """Whether one generation answers so; `known` keeps what each must answer."""
    if not _is_known(known, scores):
        for path in folder.glob("expected-*.json"):
            known.setdefault(path.name, json.loads(path.read_text(encoding="utf-8")))
    return _is_known(known, scores)


def _is_known(known: dict[str, dict[str, float]], scores: dict[str, float]) -> bool:
    return any(expected.items() >= scores.items() for expected in known.values())


def change(folder: Path, name: str, shared: Recommender | None = None) -> dict[str, Any]:
    """Adds items, outfits and users until the end, and asks for each of them at once."""
    recommender = shared or Recommender.load(folder / BUNDLE)
    part: dict[str, Any] = {"asked": [], "written": [], "errors": [], "mixed": 0}
    rng, step = np.random.default_rng(len(name)), 0
    while not (folder / STOP).exists():
        step += 1
        feature = rng.normal(0, 1, FEATURE).astype(np.float32)
        for call, changes in _changes(recommender, name, step, feature):
            try:
                call()
                part["written"] += changes
                lost = [what for what in changes if not _is_kept(recommender, *what)]
                part["errors"] += [f"{name}: {what} is not there at once" for what in lost]
            except Exception as error:
                part["errors"].append(f"{name}: {type(error).__name__}: {error}")
        time.sleep(0.05)
    return part


def _changes(
    recommender: Recommender, name: str, step: int, feature: np.ndarray
) -> Iterator[tuple[Callable[[], Any], list[tuple[str, str]]]]:
    item, outfit, user = (f"{name} {what} {step}" for what in ("item", "outfit", "user"))
    line: dict[str, Any] = {"item_id": item, "type": "top"}
    if recommender.live.bundle.modalities == ("text",):
        line["title"] = nights.title(step)
    else:
        line["features"] = {"image": feature}
    outfits = {outfit: {"top": item, "shoe": "shoe-1"}, f"{outfit} b": {"top": "top-2", "bottom": "bottom-3"}}
    yield partial(recommender.add_items, [line]), [("item", item)]
    yield partial(recommender.add_outfits, outfits), [("outfit", outfit)]
    yield partial(recommender.remove_outfits, [f"{outfit} b"]), [("no outfit", f"{outfit} b")]
    yield partial(recommender.add_user, user, liked=[{"top": item, "shoe": "shoe-2"}]), [("user", user)]
    if step % 5 == 0:
        yield partial(recommender.update_user, "user-1", liked=[{"top": item}]), [("liked", item)]


def _is_kept(recommender: Recommender, kind: str, name: str) -> bool:
    if kind == "item":
        return name in recommender.bundle.items["top"]
    if kind == "user":
        return len(recommender.liked(name)) == 1 and recommender.recommend(name, 1).personal
    if kind == "liked":
        return {"top": name} in recommender.liked("user-1")
    return (name in recommender.live.now().ids) == (kind == "outfit")


WORK: dict[str, Callable[..., dict[str, Any]]] = {"ask": ask, "change": change}

if __name__ == "__main__":
    raise SystemExit(main())
