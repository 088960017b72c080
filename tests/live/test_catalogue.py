"""After any sequence of changes, a live catalogue answers like brute force over what exists."""

from pathlib import Path

import numpy as np
import pytest

from fashion_hash.foldin.fold_in import open_fold
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.live_world import SLOTS, World, key, new_bundle


@pytest.mark.parametrize("steps", [25, pytest.param(90, marks=pytest.mark.slow)])
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2)), 3, 4, 5, 6])
def test_random_changes_answer_like_brute_force(tmp_path: Path, seed: int, steps: int) -> None:
    rng = np.random.default_rng(seed)
    bundle = new_bundle(
        tmp_path / "bundle",
        count=(60, 60, 60, 0, 60, 60, 60)[seed],
        slots={4: ("item",), 5: ("item",) * 3}.get(seed, SLOTS),
        num_bits=(16, 8, 64, 16, 16, 16, 24)[seed],
        user_form="bytes" if seed == 6 else "bits",
    )
    world = World(bundle)
    writer, reader = Recommender.load(bundle.path), Recommender.load(bundle.path, engine="scan")
    done: dict[str, int] = {}
    for step in range(steps):
        act = str(rng.choice([*ACTS]))
        done[act] = done.get(act, 0) + 1
        writer = ACTS[act](world, writer, rng, step) or writer
        for process in (writer, reader):
            world.check(process, rng)
    assert len(done) >= 8, done
    writer.compact()
    again = Recommender.load(bundle.path)
    for process in (writer, reader, again):
        for _ in range(3):
            world.check(process, rng)


def add_items(world: World, writer: Recommender, rng: np.random.Generator, step: int) -> None:
    ids = [f"new-{step}-{number}" for number in range(rng.integers(1, 4))]
    kinds = [str(rng.choice(world.bundle.types)) for _ in ids]
    removed = [item_id for item_id in world.bundle.items[kinds[0]].all() if item_id not in world.items[kinds[0]]]
    if removed:
        ids[0] = removed[0]  # an id that comes back is another item
    writer.add_items([world.new_item(rng, item_type, item_id) for item_type, item_id in zip(kinds, ids)])


def remove_items(world: World, writer: Recommender, rng: np.random.Generator, step: int) -> None:
    item_type = str(rng.choice(world.bundle.types))
    if len(world.items[item_type]) > 3:
        ids = [str(item_id) for item_id in rng.choice(sorted(world.items[item_type]), 2, replace=False)]
        assert set(writer.remove_items({item_type: ids})) == world.remove_items(item_type, ids)


def add_outfits(world: World, writer: Recommender, rng: np.random.Generator, step: int) -> None:
    # the new ids sort before, between and after those of the index
    new = {f"{'a-o-z'[number]}utfit-{step:04d}": world.new_outfit(rng) for number in (0, 2, 4)}
    if rng.random() < 0.5:
        user = str(rng.choice(sorted(world.users)))
        if world.liked[user] and all(
            item_id in world.items[dict(zip(world.bundle.slot_names, world.bundle.slots))[slot]]
            for slot, item_id in sorted(world.liked[user])[0]
        ):
            new[f"liked-{step}"] = dict(sorted(world.liked[user])[0])
    writer.add_outfits(new)
    world.outfits.update(new)


def remove_outfits(world: World, writer: Recommender, rng: np.random.Generator, step: int) -> None:
    if len(world.outfits) > 4:
        ids = [str(outfit_id) for outfit_id in rng.choice(sorted(world.outfits), 3, replace=False)]
        writer.remove_outfits(ids)
        for outfit_id in ids:
            del world.outfits[outfit_id]


def bring_back(world: World, writer: Recommender, rng: np.random.Generator, step: int) -> None:
    """An outfit that was removed gets its id back, with other items."""
    if world.outfits:
        outfit_id = str(rng.choice(sorted(world.outfits)))
        writer.remove_outfits([outfit_id])
        world.outfits[outfit_id] = world.new_outfit(rng)
        writer.add_outfits({outfit_id: world.outfits[outfit_id]})


def add_user(world: World, writer: Recommender, rng: np.random.Generator, step: int) -> None:
    told = [world.new_outfit(rng) for _ in range(rng.integers(0, 4))]
    if told and world.outfits:
        told.append(world.outfits[sorted(world.outfits)[0]])
    liked = list({key(outfit): outfit for outfit in told[1:]}.values())  # told twice counts once
    disliked = told[:1]
    if key(disliked[0]) in {key(outfit) for outfit in liked} if told else False:
        return
    user = f"new-user-{step}"
    writer.add_user(user, liked=liked, disliked=disliked)
    world.liked[user], world.disliked[user] = {key(outfit) for outfit in liked}, {key(outfit) for outfit in disliked}
    world.users[user] = None if not told else world.asked(code_of(writer, liked, disliked))  # type: ignore[assignment]


def update_user(world: World, writer: Recommender, rng: np.random.Generator, step: int) -> None:
    user = str(rng.choice(sorted(world.users)))
    if not world.outfits:
        return
    outfit_id = str(rng.choice(sorted(world.outfits)))
    liked = bool(rng.random() < 0.5)
    writer.update_user(user, **{"liked" if liked else "disliked": [outfit_id]})
    outfit = key(world.outfits[outfit_id])
    world.disliked.setdefault(user, set())
    (world.liked if liked else world.disliked)[user].add(outfit)
    if not user.startswith("user-"):
        (world.disliked if liked else world.liked)[user].discard(outfit)
    state = writer.live.now_with([user])[1][0]
    assert state is not None
    world.users[user] = world.asked(state.code.view(world.bundle.user_keys.dtype))


def compact(world: World, writer: Recommender, rng: np.random.Generator, step: int) -> None:
    assert writer.compact() == (writer.live.now().num_changes > 0) or writer.live.now().num_changes == 0
    assert writer.live.now().num_changes == 0


def reopen(world: World, writer: Recommender, rng: np.random.Generator, step: int) -> Recommender:
    writer.close()
    return Recommender.load(world.bundle.path)


def code_of(writer: Recommender, liked: list[dict[str, str]], disliked: list[dict[str, str]]) -> np.ndarray:
    from fashion_hash.bundle.lookup import outfit_rows

    fold = open_fold(writer.live.bundle)
    rows = [np.array([outfit_rows(writer.bundle, outfit) for outfit in outfits]) for outfits in (liked, disliked)]
    code = fold.fit(*rows, bundle=writer.bundle)
    assert code is not None
    return code


ACTS = {
    "add_items": add_items,
    "remove_items": remove_items,
    "add_outfits": add_outfits,
    "remove_outfits": remove_outfits,
    "bring_back": bring_back,
    "add_user": add_user,
    "update_user": update_user,
    "compact": compact,
    "reopen": reopen,
}
