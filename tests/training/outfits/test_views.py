"""Views: what is erased and replaced, what cannot be, and training with them to the bit."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from fashion_hash.config.experiment import make_config
from fashion_hash.config.training import ContrastiveConfig
from fashion_hash.core.outfits import EMPTY, Outfits
from fashion_hash.errors import ConfigError, TrainingError
from fashion_hash.training.measure.outfits import evaluate
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.outfits.views import Views, can_replace, erase, replace
from tests.worlds.tiny import tiny_dataset, tiny_values

SLOTS = ("top", "top", "bottom", "shoe")
NEAR = {
    "top": np.array([[1, 2], [0, 2], [EMPTY, EMPTY], [0, EMPTY]]),
    "bottom": np.array([[EMPTY, EMPTY]]),  # a single item of its type
    "shoe": np.array([[1, EMPTY], [0, EMPTY]]),
}


def outfits(*rows):
    return np.array(rows, dtype=np.int32)


def test_erase_drops_one_real_item_any_of_them_alike():
    items = np.repeat(outfits([3, EMPTY, 0, 1]), 3000, axis=0)
    views = erase(items, np.random.default_rng(0))
    assert ((views != EMPTY).sum(axis=1) == 2).all()
    assert ((views == items) | (views == EMPTY)).all()
    share = (views == EMPTY).mean(axis=0)[[0, 2, 3]]
    assert np.allclose(share, 1 / 3, atol=0.04)


def test_replace_swaps_one_item_for_a_neighbour_of_its_type():
    items = np.repeat(outfits([0, 3, 0, 1]), 3000, axis=0)
    views = replace(SLOTS, items, NEAR, np.random.default_rng(0))
    changed = views != items
    assert (changed.sum(axis=1) == 1).all()
    assert not changed[:, 2].any()  # a single bottom has no neighbour
    assert set(views[changed[:, 0], 0].tolist()) == {1, 2}
    assert not changed[:, 1].any()  # 3's only neighbour, 0, is in the outfit already
    assert set(views[changed[:, 3], 3].tolist()) == {0}
    assert np.allclose(changed.mean(axis=0)[[0, 3]], 1 / 2, atol=0.04)
    again = replace(SLOTS, items, NEAR, np.random.default_rng(0))
    assert (views == again).all()


def test_replace_draws_among_the_neighbours_that_the_outfit_lacks():
    near = {"top": np.array([[1, 2, 3], [0, 2, EMPTY], [1, 3, 0], [0, EMPTY, EMPTY]])}
    items = np.repeat(outfits([0, 2], [3, 0]), 3000, axis=0)
    views = replace(("top", "top"), items, near, np.random.default_rng(1))
    pairs, counts = np.unique(views, axis=0, return_counts=True)
    # [0, 2]: 1 and 3 are free for 0, and for 2; [3, 0]: 3 is near 0 alone, so that only 0 makes room, for 1 or 2
    assert pairs.tolist() == [[0, 1], [0, 3], [1, 2], [3, 1], [3, 2]]
    assert np.allclose(counts / 3000, [1 / 4, 1 / 4, 1 / 4, 1 / 2, 1 / 2 + 1 / 4], atol=0.04)
    full = outfits([3, 0], [1, 3])
    assert can_replace(("top", "top"), full, {"top": near["top"][:, :1]}).tolist() == [[False, True], [True, True]]


def test_outfits_of_one_item_a_type_draw_any_neighbour():
    rng = np.random.default_rng(2)
    near = {kind: np.argsort(rng.random((30, 30)), axis=1)[:, :4] for kind in ("bottom", "shoe")}
    near = {kind: np.where(one == np.arange(30)[:, None], EMPTY, one) for kind, one in near.items()}
    near = {
        kind: np.take_along_axis(one, np.argsort(one == EMPTY, axis=1, kind="stable"), 1) for kind, one in near.items()
    }
    items = rng.integers(0, 30, (200, 2)).astype(np.int32)
    views = replace(("bottom", "shoe"), items, near, np.random.default_rng(3))
    rng = np.random.default_rng(3)
    chosen, share = rng.random(items.shape).argmax(axis=1), rng.random(len(items))
    for row, slot in enumerate(chosen.tolist()):
        around = near[("bottom", "shoe")[slot]][items[row, slot]]
        around = around[around != EMPTY]
        assert views[row, slot] == around[int(share[row] * len(around))]
        assert views[row, 1 - slot] == items[row, 1 - slot]


def test_outfits_that_cannot_be_changed_take_another_way_or_stay():
    items = outfits([EMPTY, 2, EMPTY, EMPTY], [2, EMPTY, 0, EMPTY], [0, EMPTY, EMPTY, EMPTY])
    rng = np.random.default_rng(0)
    both = Views(ContrastiveConfig(), SLOTS, NEAR)
    assert both.possible(items).tolist() == [[False, False], [True, False], [False, True]]
    for _ in range(20):
        views = both(items, rng)
        assert (views[0] == items[0]).all()  # one item without a neighbour
        assert ((views[1] != EMPTY).sum(axis=1) == 1).all()  # always erased
        assert ((views[2] != EMPTY).sum(axis=1) == 1).all()
        assert (views[2, :, 0] != 0).all()  # always replaced
    assert both.check(items) == "views by erase and replace, 1 of 3 outfits left unchanged, since no view changes them"
    assert Views(ContrastiveConfig(views=("erase",)), SLOTS).check(items[1:2]) == "views by erase"


@pytest.mark.parametrize(
    ("ways", "items", "words"),
    [
        (("erase",), outfits([0, EMPTY, EMPTY, EMPTY]), "erase can change no outfit.*single item.*leave erase out"),
        (("replace",), outfits([2, EMPTY, 0, EMPTY]), "replace can change no outfit.*3 of 4 top, 0 of 1 bottom"),
    ],
)
def test_a_way_that_changes_nothing_is_refused(ways, items, words):
    with pytest.raises(ConfigError, match=words):
        Views(ContrastiveConfig(views=ways), SLOTS, NEAR).check(items)


def test_a_training_split_of_single_items_cannot_be_erased(tmp_path):
    dataset = tiny_dataset(("top", "bottom"))
    positives = dataset.split("train").positives
    items = positives.items.copy()
    items[:, 1] = EMPTY
    alone = type(dataset.split("train"))(Outfits(positives.slots, positives.users, items))
    from dataclasses import replace as changed

    dataset = changed(dataset, splits={**dataset.splits, "train": alone})
    config = make_config(tiny_values(contrastive={"views": ["erase"]}, negatives={"swap": ["top"]}))
    with pytest.raises(ConfigError, match=r"contrastive\.views: erase can change no outfit"):
        fit(config, dataset, tmp_path / "run")
    assert not (tmp_path / "run").exists()


SMALL = {"width": 16, "heads": 2, "blocks": 1, "feed_forward": 16}


@pytest.mark.parametrize(
    ("views", "encoder"),
    [
        (["erase"], None),
        (["replace"], None),
        (["erase", "replace"], SMALL),
        pytest.param(["erase"], SMALL, marks=pytest.mark.slow),
        pytest.param(["replace"], SMALL, marks=pytest.mark.slow),
        pytest.param(["erase", "replace"], None, marks=pytest.mark.slow),
    ],
)
def test_it_learns_with_views(tmp_path, encoder, views):
    dataset = tiny_dataset(("top", "top", "bottom", "shoe"))
    values = tiny_values(
        encoder=encoder, contrastive={"views": views, "weight": 0.2, "projection": 8}, train={"epochs": 8}
    )
    lines = []
    run = fit(make_config(values), dataset, tmp_path / "run", report=lines.append)
    assert f"contrastive: views by {' and '.join(views)}" in lines[1]
    assert evaluate(run, "test", dataset)["protocols"]["rank_random"]["relaxed"]["auc"] > 0.75
    assert "model/projection.0.weight" in load_file(run.path / "best.safetensors")


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({}, marks=pytest.mark.slow),
        {"contrastive": {"projection": 8}},
        {"model": {"repeat_empty": True}},
    ],
)
def test_killed_and_resumed_with_teacher_and_views(tmp_path, settings):
    dataset = tiny_dataset(("top", "top", "bottom", "shoe"))
    encoder = {"width": 16, "heads": 2, "blocks": 1, "feed_forward": 16}
    teacher = fit(make_config(tiny_values(encoder=encoder, train={"epochs": 2})), dataset, tmp_path / "teacher")
    values = tiny_values(
        teacher={"run": str(teacher.path)},
        contrastive={"feature": "teacher"},
        negatives={"kind": "mixed", "per_positive": 4, "hard_share": (0.5, 0.5)},
        loss={"kind": "softmax"},
    )
    for name, section in settings.items():
        values[name] = {**values.get(name, {}), **section}
    config = make_config(values)
    whole = fit(config, dataset, tmp_path / "whole")

    def stop_after_one(line):
        if line.startswith("epoch   1/"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(config, dataset, tmp_path / "parts", report=stop_after_one)
    parts = fit(config, dataset, tmp_path / "parts", resume=True)
    a, b = load_file(whole.path / "last.safetensors"), load_file(parts.path / "last.safetensors")
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_views_leave_the_negatives_as_they_are(tmp_path):
    from fashion_hash.training.outfits.training_data import TrainingData
    from fashion_hash.training.runs.item_inputs import ItemInputs

    dataset, batches = tiny_dataset(), []
    few = {"per_positive": 2, "items_a_batch": 6}  # drawn batch by batch
    for values in (tiny_values(negatives=few), tiny_values(negatives=few, contrastive={"outfits": 20})):
        config = make_config(values)
        batches.append(list(TrainingData(config, dataset, ItemInputs(config, dataset)).epoch(1)))
    for plain, seen in zip(*batches):
        assert plain.views is None
        assert seen.views.shape == (min(20, len(seen.users)), 2, 3)
        assert torch.equal(plain.users, seen.users)
        for slot, kind in enumerate(dataset.slots):
            rows = [batch.rows[kind][batch.positions[..., slot]] for batch in (plain, seen)]
            assert torch.equal(*rows)


def test_refusals(tmp_path):
    config = make_config(tiny_values(contrastive={"feature": "content"}))
    with pytest.raises(ConfigError, match=r"contrastive\.feature: content needs frozen pictures or text"):
        fit(config, tiny_dataset(), tmp_path / "run")
    first = fit(make_config(tiny_values(train={"epochs": 1})), tiny_dataset(), tmp_path / "first")
    config = make_config(tiny_values(contrastive={}, train={"start": str(first.path), "parts": ["user"]}))
    with pytest.raises((ConfigError, TrainingError), match=r"contrastive: train\.parts"):
        fit(config, tiny_dataset(), tmp_path / "second")
