"""The operations that are killed: how each is prepared, what it calls, and what its folder answers.

A state is whatever JSON tells two states apart. After a kill, the state must be that after the calls that returned, or
that after the call under way; going on must end in the state, and with the files, of an operation that nobody killed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors.torch import load_file

from fashion_hash.commands.build_index import main as build_index
from fashion_hash.config.experiment import Config, load_config, make_config
from fashion_hash.core.manifest import CURRENT, MANIFEST
from fashion_hash.data.load import load_dataset
from fashion_hash.data.sample.truth import TRUTH_FILE
from fashion_hash.data.sample.write import make_sample
from fashion_hash.data.stores.features import FeatureStore
from fashion_hash.errors import FeatureError, UnknownIdError
from fashion_hash.features.backbone import build_backbone
from fashion_hash.features.extraction import extract_features
from fashion_hash.retrieval.recommender import Recommender
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.runs.run import Run
from tests.worlds.generations import add_generation
from tests.worlds.live_world import World, new_bundle
from tests.worlds.tiny import tiny_dataset, tiny_values

Done = Callable[[], None]


def either(state: Any, states: Sequence[Any], returned: int) -> int | None:
    """How many calls count as done: those that returned, or one more; None when the state is neither."""
    return next((at for at in (returned, returned + 1) if at < len(states) and states[at] == state), None)


class Scenario(NamedTuple):
    """An operation.

    Attributes:
        name: of the operation.
        prepare: makes the folder that the operation starts from.
        calls: calls what is killed, from call number `start` on, and `done` after each call.
        state: what the folder answers; raises when it cannot be opened.
        place: which call to go on with after a kill, from the state, the states after each call, and how many returned.
    """

    name: str
    prepare: Callable[[Path], None]
    calls: Callable[[Path, int, Done], None]
    state: Callable[[Path], Any]
    place: Callable[[Any, Sequence[Any], int], int | None] = either


# ---- training


def _config(**changes: Any) -> Config:
    values = tiny_values()
    values["train"] = {"epochs": 2, "batch_size": 64}
    return make_config({**values, **changes})


def _train(folder: Path, seed: int) -> None:
    """Goes on with the run in the folder if it is this one, as whoever finds it interrupted would."""
    config, path = _config(seed=seed), folder / "run"
    begun = (path / "config.yaml").is_file() and Run.open(path).config == config if _has_epoch(path) else path.is_dir()
    fit(config, tiny_dataset(), path, resume=begun and not _is_other(path, config))


def _has_epoch(path: Path) -> bool:
    return (path / "last.safetensors").is_file()


def _is_other(path: Path, config: Config) -> bool:
    return (path / "config.yaml").is_file() and (path / "config.yaml").read_text() != config.to_yaml()


def _trained(folder: Path) -> Any:
    path = folder / "run"
    if not _has_epoch(path):
        return 0
    run = Run.open(path)
    digests = [_digest(path / f"{name}.safetensors") for name in ("best", "last")]
    return [run.config.seed, len(run.history), *digests, _offered(path / "bundle")]


def _offered(path: Path) -> list[str]:
    """What the bundle in a run folder offers a user; nothing where there is no bundle."""
    return [str(name) for name in Recommender.load(path).recommend("user-1", 3).ids] if path.exists() else []


def _digest(path: Path) -> str:
    """Of the tensors; the seconds that an epoch took differ."""
    tensors = load_file(path)
    return hashlib.sha256(b"".join(tensors[name].numpy().tobytes() for name in sorted(tensors))).hexdigest()


def _epochs(state: Any, states: Sequence[Any], returned: int) -> int | None:
    """Epochs are finished one by one, so there are states between; the end must be that of a whole run."""
    if returned and state != states[-1]:
        return None
    return 0


def _start_training(folder: Path, start: int, done: Done) -> None:
    _train(folder, 1)
    done()


def _old_run(folder: Path) -> None:
    fit(_config(seed=0), tiny_dataset(), folder / "run")
    new_bundle(folder / "run/bundle", count=30)


def _old_files(folder: Path) -> None:
    """What matters of a run when another one of its name begins; no model is needed for that."""
    path = folder / "run"
    for name in ("encoder/encoder.json", "split.csv", "best.safetensors", "last.safetensors"):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(name)
    (path / "config.yaml").write_text(_config(seed=0).to_yaml())
    add_generation(path / "bundle", count=30)


def _begin(folder: Path, start: int, done: Done) -> None:
    if start == 0:
        Run.start(_config(seed=1), {}, folder / "run")
        done()


def _begun(folder: Path) -> Any:
    """Which run has begun; the old one must be whole, in its folder or beside it, and the bundle must answer."""
    path, files = folder / "run", ("encoder/encoder.json", "split.csv", "best.safetensors", "last.safetensors")
    seeds = [load_config(place / "config.yaml").seed for place in (path, *folder.glob("run.old-*"))]
    whole = [place.name for place in (path, folder / "run.old-1") if all((place / name).is_file() for name in files)]
    assert whole, "no folder holds the whole old run"
    offered = _offered(path / "bundle")
    assert len(seeds) <= 2, "the old run was set aside twice"
    assert offered
    return [seeds[0], offered]


# ---- bundles

SMALL = {"users": 4, "items": 20, "outfits_per_user": 10, "pictures": False}


def _two_runs(folder: Path) -> None:
    make_sample(folder / "data", **SMALL)
    for seed in (0, 1):
        values = {**tiny_values(), "data": {"format": "polyvore_u", "root": str(folder / "data"), "subset": "630"}}
        fit(make_config({**values, "seed": seed, "train": {"epochs": 1, "batch_size": 64}}), out=folder / f"run-{seed}")


def _one_bundle(folder: Path) -> None:
    _two_runs(folder)
    _export(folder, 0)


def _export(folder: Path, seed: int) -> None:
    assert build_index([str(folder / f"run-{seed}"), "--out", str(folder / "bundle")]) == 0


def _index(folder: Path, start: int, done: Done) -> None:
    _export(folder, 1)
    done()


def _again(state: Any, states: Sequence[Any], returned: int) -> int | None:
    """An operation that is simply started again, also when it had come to its end."""
    return None if either(state, states, returned) is None else 0


def _answers(folder: Path) -> Any:
    """Everything that a bundle holds and answers, every file compared with its checksum."""
    if not any((folder / "bundle" / name).exists() for name in (CURRENT, MANIFEST)):
        return None  # a first bundle that did not come to its end
    recommender = Recommender.load(folder / "bundle", verify=True)
    bundle = recommender.live.now().bundle
    found: dict[str, Any] = {"items": {item_type: sorted(bundle.items[item_type].all()) for item_type in bundle.types}}
    for user in (None, *NEW_USERS, *bundle.users.all()):
        try:
            hits = recommender.recommend(user, 1000, include_liked=True)
            unliked = recommender.recommend(user, 1000)
        except UnknownIdError:
            continue
        found[str(user)] = [hits.personal, hits.ids.tolist(), hits.scores.tolist(), unliked.ids.tolist()]
    recommender.close()
    return found


# ---- live changes

NEW_USERS = ("new user", "silent user")
REMOVED = ("user-2", "new user")
CALLS = 12


def _new_bundle(folder: Path) -> None:
    new_bundle(folder / "bundle", count=30)


def _changes(path: Path) -> list[tuple[Callable[[Recommender], Any], Callable[[World], Any]]]:
    """Calls of every kind, and what they do to a world that the answers are compared with."""
    rng, bundle = np.random.default_rng(5), Recommender.load(path).bundle
    drawn = World(bundle)
    new = [(item_type, f"new-{item_type}-{number}") for item_type in bundle.types for number in (0, 1)]
    items = [drawn.new_item(rng, item_type, item_id) for item_type, item_id in new]
    outfits = {f"made-{number}": drawn.new_outfit(rng) for number in range(5)}
    outfits["with-new"] = {"top": "new-top-0", "shoe": "new-shoe-0"}

    def add_to(world: World) -> None:
        for item_type, item_id in new:
            world.items[item_type][item_id] = drawn.items[item_type][item_id]

    def removed_from(world: World) -> None:
        for name in ("made-1", "made-2"):
            world.outfits.pop(name, None)

    def refold(world: World) -> None:
        world.users.pop("user-1")  # its new code is not for a world of brute force to compute

    changed = {**drawn.new_item(rng, "top", "top-2"), "price": 9}
    hidden: dict[str, dict[str, str]] = {}

    def recode(world: World) -> None:
        world.items["top"]["top-2"] = drawn.items["top"]["top-2"]

    def hide(world: World) -> None:
        hidden.update({name: outfit for name, outfit in world.outfits.items() if outfit.get("shoe") == "shoe-1"})
        for name in hidden:
            del world.outfits[name]

    def replaced(world: World) -> None:
        world.outfits["made-3"] = outfits["made-0"]

    liked, gone = [{"top": "top-1", "shoe": "shoe-2"}], ["new-top-1", "top-3"]
    return [
        (lambda asked: asked.add_items(items), add_to),
        (lambda asked: asked.add_outfits(outfits), lambda world: world.outfits.update(outfits)),
        (lambda asked: asked.add_user("new user", liked=[*liked, "with-new"]), lambda world: None),
        (lambda asked: asked.add_user("silent user"), lambda world: None),
        (lambda asked: asked.update_user("user-1", liked=liked), refold),
        (lambda asked: asked.remove_items({"top": gone}), lambda world: world.remove_items("top", gone)),
        (lambda asked: asked.remove_outfits(["made-1", "made-2"]), removed_from),
        (lambda asked: asked.update_items([changed]), recode),
        (lambda asked: asked.hide_items({"shoe": ["shoe-1"]}), hide),
        (lambda asked: asked.show_items({"shoe": ["shoe-1"]}), lambda world: world.outfits.update(hidden)),
        (lambda asked: asked.upsert_outfits({"made-3": outfits["made-0"]}), replaced),
        (lambda asked: asked.remove_user([*REMOVED]), lambda world: world.users.pop(REMOVED[0])),
    ]


def _change(folder: Path, start: int, done: Done) -> None:
    path = folder / "bundle"
    if start == CALLS:
        return
    changes = _changes(path)
    recommender = Recommender.load(path)
    for call, _ in changes[start:]:
        call(recommender)
        done()
    recommender.close()


def check_with_referee(path: Path) -> int:
    """The states that the kills are compared with are those of brute force. Returns how many changes were made."""
    changes = _changes(path)
    recommender, rng = Recommender.load(path), np.random.default_rng(0)
    world = World(recommender.bundle)
    for call, mirrored in changes:
        call(recommender)
        mirrored(world)
        world.check(recommender, rng)
    recommender.compact()
    world.check(recommender, rng)
    return len(changes)


def _changed_bundle(folder: Path) -> None:
    _new_bundle(folder)
    _change(folder, 0, lambda: None)


def _twice_compacted(folder: Path) -> None:
    _new_bundle(folder)
    recommender = Recommender.load(folder / "bundle")
    recommender.add_outfits({"early": {"top": "top-0", "shoe": "shoe-0"}})
    recommender.compact()
    recommender.close()
    _change(folder, 0, lambda: None)


def _forgotten(folder: Path) -> Any:
    """The answers, and the files that still hold the id of a removed user."""
    answers = _answers(folder)
    files = [path for path in (folder / "bundle").rglob("*") if path.is_file()]
    return [answers, sorted(path.name for path in files if REMOVED[1].encode() in path.read_bytes())]


def _same_answers(state: Any, states: Sequence[Any], returned: int) -> int | None:
    return 0 if state[0] == states[0][0] and (not returned or state == states[-1]) else None


def _compact(folder: Path, start: int, done: Done) -> None:
    recommender = Recommender.load(folder / "bundle")
    recommender.compact()
    recommender.close()
    done()


# ---- samples and features


def _sampled(folder: Path) -> Any:
    """The files of a sample; None when there is none, which half a sample is."""
    root = folder / "data"
    if not (root / TRUTH_FILE).is_file():
        return None
    load_dataset("polyvore_u", root, subset="630")
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def _none_or_either(state: Any, states: Sequence[Any], returned: int) -> int | None:
    if returned and state != states[-1]:
        return None
    return 0 if state in (None, *states) else None


def _make(force: bool) -> Callable[[Path, int, Done], None]:
    def calls(folder: Path, start: int, done: Done) -> None:
        make_sample(folder / "data", force=force, **{**SMALL, "items": 21})
        done()

    return calls


def _older_sample(folder: Path) -> None:
    make_sample(folder / "data", **SMALL)


def _pictures(folder: Path) -> None:
    make_sample(folder / "data", **{**SMALL, "pictures": True})


def _extract(folder: Path, start: int, done: Done) -> None:
    data = load_dataset("polyvore_u", folder / "data", subset="630")
    already = len(_stored(folder) or ())
    report = extract_features(data, build_backbone("mobilenet_v3_small", "random"), folder / "store", 32, batch_size=8)
    assert report.already == already, "what was stored is extracted again"
    done()


def _stored(folder: Path) -> Mapping[str, str] | None:
    """The features of a store, each as a digest."""
    if not (folder / "store" / "data.mdb").is_file() or not (folder / "store" / "data.mdb").stat().st_size:
        return None
    try:
        store = FeatureStore(folder / "store")
    except FeatureError:  # killed before the first batch was kept; going on shows that nothing is broken
        return None
    return {key: hashlib.sha256(store.get(key).tobytes()).hexdigest() for key in sorted(store.keys())}


def _part(state: Any, states: Sequence[Any], returned: int) -> int | None:
    """Batches are kept one by one, each as in a whole extraction."""
    return 0 if (state or {}).items() <= states[-1].items() and (not returned or state == states[-1]) else None


def _nothing(folder: Path) -> None:
    pass


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("train", _nothing, _start_training, _trained, _epochs),
        Scenario("train over another run", _old_run, _start_training, _trained, _epochs),
        Scenario("a run of the same name", _old_files, _begin, _begun),
        Scenario("build-index", _two_runs, _index, _answers, _again),
        Scenario("build-index over a bundle", _one_bundle, _index, _answers, _again),
        Scenario("live changes", _new_bundle, _change, _answers),
        Scenario("compaction", _changed_bundle, _compact, _answers, _again),
        Scenario("second compaction", _twice_compacted, _compact, _answers, _again),
        Scenario("forgetting", _changed_bundle, _compact, _forgotten, _same_answers),
        Scenario("make-sample", _nothing, _make(False), _sampled, _none_or_either),
        Scenario("make-sample over another", _older_sample, _make(True), _sampled, _none_or_either),
        Scenario("extract-features", _pictures, _extract, _stored, _part),
    )
}
