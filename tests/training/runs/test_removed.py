"""Whoever was removed from a bundle is left out of the next training, end to end."""

import json
from pathlib import Path

import pytest

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.commands import build_index, forget, train
from fashion_hash.config.requests import RequestConfig
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.training.measure.outfits import evaluate
from fashion_hash.training.requests.inputs import load_request_data
from fashion_hash.training.runs.run import Run, load_data
from tests.worlds.request_files import form_2014
from tests.worlds.tiny_requests import tiny_request_values

CONFIG = """
name: shop
data: {{format: shop, root: {root}, slots: [top, shoe], split: {{kind: per_user}}}}
id: {{}}
model: {{num_bits: 8}}
optimiser: {{kind: adam, rates: {{user: 0.05, id: 0.05, bit_weights: 0.01, item_bias: 0.01}}}}
train: {{epochs: 1, batch_size: 32}}
"""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of a small shop with its bundle; two users are removed from it."""
    root = tmp_path / "shop"
    root.mkdir()
    items = [f"{kind}-{number},{kind}" for kind in ("top", "shoe") for number in range(8)]
    (root / "items.csv").write_text("item_id,type\n" + "\n".join(items))
    rows = [f"o{user}-{n},user-{user},top-{(user + n) % 8} shoe-{n % 8}" for user in range(6) for n in range(8)]
    (root / "outfits.csv").write_text("outfit_id,user_id,item_ids\n" + "\n".join(rows))
    (tmp_path / "config.yaml").write_text(CONFIG.format(root=root))
    run = tmp_path / "run"
    assert train.main([str(tmp_path / "config.yaml"), "--out", str(run)]) == 0
    assert build_index.main([str(run)]) == 0
    Recommender.load(run / "bundle").remove_user(["user-1", "user-4"])
    return run


def users_of(run: Path) -> list[str]:
    dataset = load_data(Run.open(run).config, folder=run)
    owners = {dataset.users.ids[row] for split in dataset.splits.values() for row in split.positives.users.tolist()}
    assert owners == set(dataset.users.ids)
    return sorted(owners)


def test_with_live_leaves_removed_users_out(run: Path, capsys: pytest.CaptureFixture) -> None:
    capsys.readouterr()
    new = run.with_name("new")
    assert train.main([str(run.with_name("config.yaml")), "--out", str(new), "--with-live", str(run / "bundle")]) == 0
    assert "2 users were removed and are left out" in capsys.readouterr().out
    assert users_of(new) == ["user-0", "user-2", "user-3", "user-5"]
    assert "user-1" not in (new / "split.csv").read_text()
    assert evaluate(Run.open(new), "test")["protocols"]
    assert build_index.main([str(new), "--out", str(run / "bundle")]) == 0
    bundle = Bundle.open(run / "bundle")
    assert list(bundle.users.all()) == ["user-0", "user-2", "user-3", "user-5"]
    again = run.with_name("again")  # the list goes on from generation to generation
    assert train.main([str(run.with_name("config.yaml")), "--out", str(again), "--with-live", str(bundle.path)]) == 0
    assert len(users_of(again)) == 4
    assert len(users_of(run)) == 6, "what was trained before stays as it was"


def test_data_suppressed_names_a_list(run: Path, capsys: pytest.CaptureFixture) -> None:
    forget.main([str(run / "bundle"), "--user", "user-0", "--run", str(run)])
    command = [str(run.with_name("config.yaml")), "--out", str(run), "--set", f"data.suppressed={run}/suppressed.json"]
    capsys.readouterr()
    for _ in range(2):  # the list goes aside with the older run, and stays in the new one
        assert train.main(command) == 0
        assert "3 users were removed and are left out" in capsys.readouterr().out
        assert users_of(run) == ["user-2", "user-3", "user-5"]
    (run / "suppressed.json").unlink()
    assert users_of(run) == ["user-2", "user-3", "user-5"], "the run keeps the list that it was trained with"
    assert train.main([*command, "--resume"]) == 0
    assert (run / "suppressed.json").is_file()
    (run / "suppressed.json").unlink()
    assert train.main(command) == 2
    assert "suppressed.json: the list of removed users cannot be read" in capsys.readouterr().err
    assert users_of(run) == ["user-2", "user-3", "user-5"]


def test_requests_leave_removed_users_out(tmp_path: Path, run: Path) -> None:
    (tmp_path / "reviews.json").write_text("".join(json.dumps(row) + "\n" for row in form_2014()))
    recommender = Recommender.load(run / "bundle")
    recommender.add_user("anna")
    recommender.remove_user("anna")
    assert forget.main([str(run / "bundle"), "--user", "bo", "--run", str(run)]) in (0, 1)
    data = {"format": "amazon_reviews", "root": str(tmp_path / "reviews.json")}
    config = RequestConfig(**tiny_request_values(data={**data, "suppressed": str(run / "suppressed.json")}))
    assert set(load_request_data(config).users) == {"cleo", "dora"}


def test_who_came_back_is_trained_on_what_they_like_since(run: Path) -> None:
    bundle, like = run / "bundle", {"top": "top-1", "shoe": "shoe-5"}
    shop = Recommender.load(bundle)
    shop.remove_user("user-3")
    shop.add_user("user-2x", liked=[like])
    for user in ("user-3", "user-1"):
        shop.add_user(user, liked=[like], again=True)
    shop.close()
    assert train.main([str(run.with_name("config.yaml")), "--out", str(run), "--with-live", str(bundle)]) == 0
    dataset = load_data(Run.open(run).config, folder=run)
    assert sorted(dataset.users.ids) == ["user-0", "user-1", "user-2", "user-2x", "user-3", "user-5"]
    rows = [row for split in dataset.splits.values() for row in split.positives.users.tolist()]
    known = [dataset.users.ids[row] for row in rows]
    assert {user: known.count(user) for user in ("user-1", "user-2", "user-3")} == {
        "user-1": 1,
        "user-2": 8,
        "user-3": 1,
    }
    assert build_index.main([str(run)]) == 0
    exported = Bundle.open(bundle)
    for user in ("user-1", "user-3"):
        assert len(exported.lines_of(exported.users.row(user))) == 1, "the model was trained on it, and knows no more"
        assert Recommender.load(bundle).liked(user) == [like]
    assert evaluate(Run.open(run), "test")["protocols"]
