"""A log of outfit clicks goes through every command with one configuration: typed slots, sets, single items."""

import json

import pytest

from fashion_hash.cli import main
from fashion_hash.retrieval.recommender import Recommender
from tests.paths import PROJECT
from tests.worlds.click_world import ClickWorld, write_kgin

FEW = ["--set", "negatives.per_positive=16"]
MIXES = ["--set", "negatives={kind: shared, per_positive: 5}", "--set", "outfit=null", "--set", "train.start=null"]
SHORT = ["--set", "train.epochs=1", "--set", "model.num_bits=16", "--set", "train.batch_size=64"]


@pytest.mark.parametrize(
    ("world", "slots", "changes"),
    [
        (ClickWorld(), 4, FEW),
        (ClickWorld(colourable=False, users=200), 4, FEW),
        (ClickWorld(slots=1, categories=5), 1, MIXES),
        (ClickWorld(colourable=False), 4, MIXES),
    ],
    ids=["typed", "sets", "single items", "sets, shared"],
)
def test_every_command(tmp_path, monkeypatch, capsys, world, slots, changes):
    monkeypatch.chdir(tmp_path)
    root = str(write_kgin(world, tmp_path / "log"))
    run = str(tmp_path / "run")
    config = str(PROJECT / "configs/ifashion_kgin.yaml")
    assert main(["import-data", "check", "ifashion_kgin", root]) == 0
    assert main(["train", config, "--set", f"data.root={root}", *SHORT, *changes, "--out", run]) == 0
    capsys.readouterr()
    assert main(["evaluate", run, "--drawn", "--json"]) == 0
    protocols = json.loads(capsys.readouterr().out)["protocols"]
    assert {"rank_random", "rank_hard"} <= {name.removesuffix("_drawn") for name in protocols}
    assert main(["build-index", run]) == 0
    assert main(["query", f"{run}/bundle", "--user", "0", "-k", "3"]) == 0
    recommender = Recommender.load(f"{run}/bundle")
    assert len(recommender.bundle.slots) == slots
    ids, _ = recommender.recommend("0", 5, include_liked=True)
    assert set(ids) <= {str(outfit) for outfit in range(world.outfits)}  # outfits keep their numbers
    worn = recommender.outfit(ids[0])
    assert recommender.explain("0", worn).items
    best = recommender.compose("0", 2)
    assert best.hits
    slot = recommender.bundle.slot_names[0]
    if slots > 1:
        given = {name: item for name, item in best.hits[0].items.items() if name != slot}
        hits = recommender.complete("0", given).hits
        assert hits[0].score == max(hit.score for hit in hits)
        assert hits[0].score >= best.hits[0].score
