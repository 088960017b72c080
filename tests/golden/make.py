"""Makes the golden bundles of this format version: python -m tests.golden.make tests/golden/v1.

Run once for each format version, by the code that first wrote it. Later code must open what stands
there and give the recorded answers (tests/test_golden.py); it never makes them anew.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from fashion_hash.config.experiment import make_config, make_request_config
from fashion_hash.data.dataset import Content
from fashion_hash.index import scoring
from fashion_hash.index.build import build_index
from fashion_hash.index.partners import build_partners
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.training.export.bundle import export_bundle
from fashion_hash.training.export.requests import export_requests, single_items
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.requests.loop import fit_requests
from tests.golden.answers import ask
from tests.worlds.tiny import tiny_dataset, tiny_values
from tests.worlds.tiny_requests import tiny_request_values, tiny_requests

COLOURS = ("red", "blue", "green", "black", "white")
RATES = {"user": 0.05, "id": 0.05, "text_head": 1e-3, "encoder": 0.01, "bit_weights": 0.01, "item_bias": 0.01}


def with_details(slots: tuple[str, ...]):
    """The tiny data set, its items with titles, prices and brands; one item has no title."""
    dataset = tiny_dataset(slots)
    details = {
        kind: {
            item: {
                "title": f"{COLOURS[number % 5]} {COLOURS[number % 3]} {kind}",
                "price": 10.5 + number,
                "brand": "north" if number % 2 else "south",
                "in_stock": number % 4 != 0,
            }
            for number, item in enumerate(dataset.items[kind])
        }
        for kind in dataset.types
    }
    del details["top"]["top4.jpg"]["title"]
    return replace(dataset, content=Content(details=details))


def make_fhn(folder: Path) -> Path:
    """FHN over titles and ids, with changes made since the export."""
    dataset = with_details(("top", "top", "bottom", "shoe"))
    sections = {
        "text": {"source": "titles", "dim": 8, "head": "linear"},
        "id": {"hide": 0.2},
        "model": {"num_bits": 32, "item_bias": True, "item_weight": 0.25},
        "optimiser": {"rates": RATES},
    }
    run = fit(make_config(tiny_values(**sections)), dataset, folder / "run")
    bundle = export_bundle(run, dataset=dataset)
    scoring.SCAN_FROM = 1  # the files of the engine "sums" belong to the format as well
    build_index(bundle, dataset.outfits)
    build_partners(bundle)
    recommender = Recommender.load(bundle.path)
    recommender.add_items(
        [{"item_id": "new-top", "type": "top", "title": "red silk top", "price": 7.0, "brand": "east"}]
    )
    recommender.add_outfits({"new-outfit": {"top": "new-top", "bottom": "bottom1.jpg", "shoe": "shoe1.jpg"}})
    ids, _ = recommender.recommend("u0", k=2)
    recommender.remove_outfits([str(ids[0])])
    recommender.remove_items({"shoe": ["shoe11.jpg"]})
    recommender.add_user("eve", liked=[str(ids[1]), {"top": "new-top", "bottom": "bottom2.jpg"}])
    with sqlite3.connect(bundle.path / "live/live.sqlite") as live:
        live.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return bundle.path


def make_encoder(folder: Path) -> Path:
    """The outfit encoder in floats."""
    dataset = tiny_dataset(("top", "bottom", "shoe"))
    small = {"width": 16, "heads": 2, "feed_forward": 16, "scale": 0.5}
    sections = {"model": {"num_bits": 32, "item_bias": True}, "encoder": small, "optimiser": {"rates": RATES}}
    run = fit(make_config(tiny_values(**sections)), dataset, folder / "run")
    bundle = export_bundle(run, dataset=dataset)
    build_index(bundle, dataset.outfits)
    return bundle.path


def make_requests(folder: Path) -> Path:
    """Requests over single items."""
    data = tiny_requests()
    run = fit_requests(make_request_config(tiny_request_values()), data, folder / "run")
    bundle = export_requests(run, data=data)
    build_index(bundle, *reversed(single_items(bundle)))
    return bundle.path


def main(out: Path) -> None:
    """Writes each bundle, the run it came from and what it answers."""
    for name, make in (("fhn", make_fhn), ("encoder", make_encoder), ("requests", make_requests)):
        with tempfile.TemporaryDirectory() as folder:
            bundle = make(Path(folder))
            target = out / name
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(bundle, target / "bundle", ignore=shutil.ignore_patterns("*-wal", "*-shm"))
            run = target / "run"
            run.mkdir()
            for file in ("config.yaml", "metrics.jsonl", "best.safetensors", "last.safetensors"):
                shutil.copy(bundle.parent / file, run / file)
            if (bundle.parent / "encoder").is_dir():
                shutil.copytree(bundle.parent / "encoder", run / "encoder")
            answers = ask(bundle, Path(folder) / "asked")
            (target / "answers.json").write_text(json.dumps(answers, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
