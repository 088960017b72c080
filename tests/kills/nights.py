"""More operations that are killed: training on requests, pictures, and what a shop does at night."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from fashion_hash.commands.build_index import main as build_index
from fashion_hash.commands.data.extract import main as extract
from fashion_hash.commands.train import main as train
from fashion_hash.config.experiment import make_request_config
from fashion_hash.core.manifest import CURRENT
from fashion_hash.data.sample.write import make_sample
from fashion_hash.data.stores.features import FeatureStore
from fashion_hash.data.told.tables import read_told
from fashion_hash.errors import FashionHashError
from fashion_hash.retrieval.generations.told import export_told
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.training.requests.loop import fit_requests
from fashion_hash.training.requests.run import RequestRun
from fashion_hash.training.runs.run import Run
from tests.kills.scenarios import NEW_USERS, SCENARIOS, SMALL, Done, Scenario
from tests.kills.scenarios import _again as again
from tests.kills.scenarios import _digest as digest
from tests.kills.scenarios import _nothing as nothing
from tests.kills.scenarios import _part as part
from tests.worlds.generations import FEATURE, add_generation, retrain
from tests.worlds.tiny import tiny_values
from tests.worlds.tiny_requests import tiny_request_values, tiny_requests

# ---- a new generation, to which everything is carried over


def _told_bundle(folder: Path) -> None:
    add_generation(folder / "bundle", count=30, seed=1)
    shop = Recommender.load(folder / "bundle")
    feature = np.random.default_rng(0).normal(0, 1, FEATURE).astype(np.float32)
    shop.add_items([{"item_id": "new", "type": "top", "features": {"image": feature}, "price": 3}])
    shop.add_outfits({"made": {"top": "new", "shoe": "shoe-1"}, "removed": {"top": "top-1", "shoe": "shoe-2"}})
    shop.add_user("new user", liked=["made"])
    shop.remove_outfits(["removed", shop.live.now().ids.all()[0]])
    shop.remove_items({"top": ["top-2"]})
    shop.hide_items({"shoe": ["shoe-3"]})
    shop.remove_user("user-2")
    shop.close()


def _retrain(folder: Path, start: int, done: Done) -> None:
    retrain(folder / "bundle", count=30, seed=2)
    done()


def _offered(folder: Path) -> Any:
    """What users are offered, every file compared with its checksum; the number of the generation is no part of it."""
    assert (folder / "bundle" / CURRENT).is_file()
    shop = Recommender.load(folder / "bundle", verify=True)
    users = [user for user in ("user-0", "user-1", "user-2", *NEW_USERS) if shop.knows_user(user)]
    answers = {str(user): shop.recommend(user, 1000, include_liked=True) for user in (None, *users)}
    offered: dict[str, Any] = {user: [hits.ids.tolist(), hits.scores.tolist()] for user, hits in answers.items()}
    offered["liked"] = {user: shop.liked(user) for user in users}
    shop.close()
    return offered


def _export(folder: Path, start: int, done: Done) -> None:
    export_told(folder / "bundle", folder / "told")
    done()


def _exported(folder: Path) -> Any:
    if not (folder / "told").is_dir():
        return None
    told = read_told(folder / "told")
    return [told.counts(), sorted(map(str, told.items)), sorted(told.outfits), sorted(told.users)]


# ---- training with what a live catalogue was told


def _told_run(folder: Path) -> None:
    make_sample(folder / "data", **SMALL)
    data = {"format": "polyvore_u", "root": str(folder / "data"), "subset": "630"}
    values = {**tiny_values(), "data": data, "train": {"epochs": 2, "batch_size": 64}}
    (folder / "shop.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    assert train([str(folder / "shop.yaml"), "--out", str(folder / "run")]) == 0
    (folder / "run/left_out.json").write_text("[]")  # the next run has one, and may be set aside as well
    assert build_index([str(folder / "run")]) == 0
    shop = Recommender.load(folder / "run/bundle")
    outfit = dict(shop.outfit(shop.live.now().ids.all()[0]))
    shop.add_user("new user", liked=[outfit])
    shop.remove_user(shop.bundle.users.all()[0])
    shop.close()


def _train_with_live(folder: Path, start: int, done: Done) -> None:
    options = ["--out", str(folder / "run"), "--with-live", str(folder / "run/bundle")]
    assert train([str(folder / "shop.yaml"), *options]) == 0
    done()


def _trained_with_live(folder: Path) -> Any:
    """Who the run knows and its bits; meanwhile the bundle answers, and knows what it was told."""
    shop = Recommender.load(folder / "run/bundle", verify=True)
    offered = [shop.recommend("new user", 3).ids.tolist(), shop.liked("new user")]
    shop.close()
    if not (folder / "run/last.safetensors").is_file():
        assert (folder / "run.old-1/last.safetensors").is_file(), "the older run is gone"
        return [offered]
    run = Run.open(folder / "run")
    told = None if run.config.data.live is None else read_told(Path(run.config.data.live))
    bits = [digest(folder / f"run/{name}.safetensors") for name in ("best", "last")]
    return [offered, len(run.history), None if told is None else sorted(told.users), *bits]


# ---- training on requests


def _train_requests(folder: Path, start: int, done: Done) -> None:
    path = folder / "run"
    config = make_request_config(tiny_request_values(train={"epochs": 2, "steps": 2}))
    fit_requests(config, tiny_requests(users=8, events=4), path, resume=path.is_dir())
    done()


def _trained_requests(folder: Path) -> Any:
    path = folder / "run"
    if not (path / "last.safetensors").is_file():
        return 0
    return [len(RequestRun.open(path).history), *(digest(path / f"{name}.safetensors") for name in ("best", "last"))]


def _unless_returned(state: Any, states: Sequence[Any], returned: int) -> int | None:
    return None if returned and state != states[-1] else 0


# ---- pictures


def _drawn_pictures(folder: Path) -> None:
    (folder / "pictures").mkdir()
    for number in range(6):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "pictures" / f"{number}.png")
    (folder / "pictures/bad.png").write_bytes(b"no picture")


def _extract(folder: Path, start: int, done: Done) -> None:
    options = ["--encoder", "descriptors", "--out", str(folder / "store"), "--workers", "1", "--batch-size", "2"]
    extract([str(folder / "pictures"), *options])
    done()


def _extracted(folder: Path) -> Mapping[str, str] | None:
    try:
        store = FeatureStore(folder / "store")
    except FashionHashError:
        return None  # nothing was stored when it was killed
    return {key: hashlib.sha256(store.get(key).tobytes()).hexdigest() for key in sorted(store.keys())}


ALL = {
    **SCENARIOS,
    **{
        scenario.name: scenario
        for scenario in (
            Scenario("a new generation", _told_bundle, _retrain, _offered, again),
            Scenario("export-live", _told_bundle, _export, _exported, again),
            Scenario("train with live", _told_run, _train_with_live, _trained_with_live, _unless_returned),
            Scenario("train on requests", nothing, _train_requests, _trained_requests, _unless_returned),
            Scenario("extract", _drawn_pictures, _extract, _extracted, part),
        )
    },
}
