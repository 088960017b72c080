"""A small shop that is trained and indexed by the commands of a nightly job, into the same names every night."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import yaml

SLOTS = ("top", "bottom", "shoe")
RUN, POOL = "run", "pool.csv"
WORDS = ("linen", "wool", "red", "blue", "wide", "slim", "long", "short", "warm", "light")


def make_shop(folder: Path, items: int, outfits: int, users: int) -> None:
    """Writes tables with titles, a pool of outfits "g-0", "g-1", ..., and a configuration."""
    rng = np.random.default_rng(0)
    rows = [(f"{item_type}-{row}", item_type, title(row)) for item_type in SLOTS for row in range(items)]
    _write(folder / "shop/items.csv", ("item_id", "type", "title"), rows)

    def drawn() -> str:
        return " ".join(f"{item_type}-{rng.integers(items)}" for item_type in SLOTS)

    splits = ("train",) * 8 + ("valid", "test")
    worn = [(f"w-{row}", f"user-{row % users}", drawn(), splits[row // users % 10]) for row in range(20 * users)]
    _write(folder / "shop/outfits.csv", ("outfit_id", "user_id", "item_ids", "split"), worn)
    _write(folder / POOL, ("outfit_id", "item_ids"), [(f"g-{row}", drawn()) for row in range(outfits)])
    config = {
        "name": RUN,
        "data": {"format": "shop", "root": str(folder / "shop"), "slots": list(SLOTS)},
        "text": {"source": "titles", "dim": 16, "head": "linear"},
        "model": {"num_bits": 32},
        "optimiser": {"kind": "adam", "rates": {"user": 0.01, "text_head": 0.01, "bit_weights": 1e-3}},
        "train": {"epochs": 1, "batch_size": 64},
    }
    (folder / "shop.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")


def title(number: int) -> str:
    """Words for an item."""
    return f"{WORDS[number % 10]} {WORDS[number // 10 % 10]} {WORDS[number // 3 % 10]}"


def night(folder: Path, number: int) -> float:
    """Trains and indexes as a nightly job does; returns when the new generation was current."""
    run = folder / RUN
    live = ("--with-live", str(run / "bundle")) if (run / "bundle").exists() else ()
    _command("train", str(folder / "shop.yaml"), "--out", str(run), "--set", f"seed={number}", *live)
    _command("build-index", str(run), "--outfits", str(folder / POOL))
    return (run / "bundle/current").stat().st_mtime


def _command(*words: str) -> None:
    done = subprocess.run([sys.executable, "-m", "fashion_hash.cli", *words], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"fashion-hash {json.dumps(words)} ended with {done.returncode}: {done.stderr}")


def _write(path: Path, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([columns, *rows])
