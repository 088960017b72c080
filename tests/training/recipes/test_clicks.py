"""`recipe: auto` on clicks: what is tried, and the whole way on a small log and on one of few users."""

import pytest

import fashion_hash as fh
from fashion_hash.config.experiment import load_config, make_config
from fashion_hash.data.formats.clicks.kgin import read_ifashion_kgin
from fashion_hash.training.recipes.candidates import candidates, with_values
from fashion_hash.training.recipes.facts import Facts
from tests.worlds.click_world import ClickWorld, write_kgin


def config_of(root, **more):
    data = {"format": "ifashion_kgin", "root": str(root)}
    return make_config({"name": "log", "recipe": "auto", "data": data, "model": {"num_bits": 16}, **more})


@pytest.mark.parametrize(
    "world",
    [
        ClickWorld(users=150, outfits=40, clicks=3.0),
        ClickWorld(users=9, outfits=14, clicks=12.0),
        ClickWorld(users=40, outfits=70, clicks=4.0),
    ],
    ids=["log", "few users", "two clicks an outfit"],
)
def test_the_whole_way(world, tmp_path):
    root = write_kgin(world, tmp_path / "log")
    dataset, lines = read_ifashion_kgin(root), []
    config = config_of(root, train={"epochs": 2})
    facts = Facts.of(dataset)
    assert facts.are_clicks
    assert facts.rows > 3 * facts.outfits or world.outfits == 70  # few clicks an outfit are clicks all the same
    tried = candidates(config, facts)
    assert {with_values(config, one.values).negatives.per_positive for one in tried} == {facts.outfits}
    run = fh.fit(config, dataset, tmp_path / "run", report=lines.append)
    said = [line for line in lines if line.startswith("recipe: ") and ", 1 epoch:" in line]
    assert {line.partition(", 1 epoch:")[0] for line in said} == {f"recipe: {one.name}" for one in tried}
    assert not any("failed" in line for line in said)
    table = (tmp_path / "run-recipe/table.txt").read_text()
    judged = "clicks on known outfits, judged by recall@20 of all outfits"
    assert judged in table
    assert any(line.endswith(judged) for line in lines)
    taught = [line for line in table.splitlines() if line.startswith("bits taught by EASE  ")]
    assert len(taught) == 1  # it trains nothing, so that further rounds would measure the same
    chosen = load_config(tmp_path / "run-recipe/chosen.yaml")
    assert run.config.to_yaml() == chosen.to_yaml()
    assert chosen.train.best_by == "recall@20"
