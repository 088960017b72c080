"""Two nights of a shop: what the live catalogue was told is trained on, and the next bundle knows all of it."""

import contextlib
import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.commands.build_index import main as build_index
from fashion_hash.commands.train import main as train
from fashion_hash.core.codes import unpack
from fashion_hash.data.sample.write import make_sample
from fashion_hash.errors import UnknownIdError
from fashion_hash.inference.hash_heads import ItemCoder
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.training.processes import group

BUNDLE = "runs/shop/bundle"
CONFIG = {
    "name": "shop",
    "data": {"format": "polyvore_u", "root": "data", "subset": "tuples_630"},
    "text": {"source": "vectors", "head": "linear"},
    "model": {"num_bits": 16},
    "optimiser": {"kind": "adam", "rates": {"user": 0.01, "text_head": 1e-3, "bit_weights": 1e-3}},
    "train": {"epochs": 1, "batch_size": 64},
}


def new_item(item_id: str, seed: int, **columns: object) -> dict[str, object]:
    feature = np.random.default_rng(seed).normal(0, 1, 2400).astype(np.float32)
    return {"item_id": item_id, "type": "top", "features": {"text": feature}, "title": f"New {item_id}", **columns}


def told(shop: Recommender) -> dict[str, str]:
    """Tells the live catalogue something of every kind; returns an outfit of the pool that was removed."""
    top, shoe = shop.bundle.items["top"].all(), shop.bundle.items["shoe"].all()
    shop.add_items([new_item("new-1", 1, price=7.5), new_item("new-2", 2)])
    shop.add_outfits({"window": {"top": "new-1", "shoe": shoe[0]}})
    shop.add_user("eve", liked=[{"top": "new-1", "shoe": shoe[1]}, "window"], disliked=[{"top": "new-2"}])
    shop.update_user("0", liked=[{"top": "new-2", "shoe": shoe[2]}])
    shop.update_items([{"item_id": top[4], "type": "top", "price": 3.5}])
    shop.remove_items({"top": [top[3]]})
    removed = shop.live.now().ids.all()[0]
    items = dict(shop.outfit(removed))
    shop.remove_outfits([removed])
    shop.remove_user("1")
    return items


def test_the_next_model_and_its_bundle_know_what_was_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with contextlib.chdir(tmp_path):
        make_sample("data", seed=0, users=4, items=20, outfits_per_user=10, pictures=False)
        Path("shop.yaml").write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
        assert train(["shop.yaml"]) == build_index(["runs/shop"]) == 0
        service = Recommender.load(BUNDLE)
        before = service.bundle
        removed = told(service)
        capsys.readouterr()

        assert train(["shop.yaml", "--with-live", BUNDLE]) == 0
        said = capsys.readouterr().out
        assert "wrote runs/shop.live-1: 2 items added, 1 item removed, 1 item updated, 1 outfit added" in said
        assert "from the live catalogue: 2 items (2 with features)" in said
        assert "outfits removed, 2 users, 3 liked outfits, 1 disliked outfit since the export" in said
        assert "3 liked outfits of 2 users for training (1 user is new)" in said
        with monkeypatch.context() as torchrun:  # a process died, and all are started again
            torchrun.setattr(group, "restarted", lambda _: True)
            assert train(["shop.yaml", "--with-live", BUNDLE]) == 0
        assert not Path("runs/shop.live-2").exists(), "it goes on with what it began with"
        service.add_items([new_item("late", 3)])  # while no bundle of the new model exists
        service.update_user("eve", liked=[{"top": "late"}])
        assert build_index(["runs/shop"]) == 0
        said = capsys.readouterr().out
        assert "1 item added" in said, "only the item that came after the training"
        assert "could not" not in said

        for shop in (service, Recommender.load(BUNDLE)):
            bundle = shop.bundle
            assert bundle.fingerprint != before.fingerprint
            assert {"new-1", "new-2"} <= set(Bundle.open(BUNDLE).items["top"].all()), "the model was trained on them"
            assert "eve" in Bundle.open(BUNDLE).users
            assert before.items["top"].id(3) not in bundle.items["top"]
            for seed, name in enumerate(("new-1", "new-2", "late"), start=1):
                item = new_item(name, seed)
                row = bundle.items["top"].row(name)
                codes = ItemCoder.open(Path(BUNDLE)).codes("top", item["features"])
                assert np.array_equal(unpack(bundle.item_codes["top"][row]), codes)
                assert bundle.catalogue.item("top", row).title == f"New {name}"
            assert bundle.catalogue.item("top", bundle.items["top"].row("new-1")).details["price"] == 7.5
            assert (
                bundle.catalogue.item("top", bundle.items["top"].row(before.items["top"].id(4))).details["price"] == 3.5
            )
            assert shop.outfit("window")["top"] == "new-1"
            assert removed not in [shop.outfit(name) for name in shop.live.now().ids.all()]
            liked = shop.liked("eve")
            assert {"top": "late"} in liked
            assert sum(outfit["top"] == "new-1" for outfit in liked) == 2
            assert len(liked) == 3, "what was trained on is not told twice"
            assert shop.recommend("eve", 3).personal
            with pytest.raises(UnknownIdError):
                shop.recommend("1", 1)
        about = json.loads(Path("runs/shop.live-1/about.json").read_text(encoding="utf-8"))
        assert about["bundle"] == BUNDLE
