"""Bundles of every kind, of which one file is damaged; then everything is asked."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from fashion_hash.core.codes import unpack
from fashion_hash.errors import FashionHashError
from fashion_hash.retrieval.recommender import Recommender
from tests.fuzz.mutations import change_file
from tests.worlds.generations import add_generation, retrain, write_generation

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
MOST_LETTERS = 2_000
UNSEALED = ("live.sqlite", "current")  # they change, and have no checksum
HOW = ("verified", "not verified", "resealed")


def _golden(name: str) -> Callable[[Path], None]:
    return lambda folder: shutil.copytree(GOLDEN / "v1" / name / "bundle", folder) and None


def _live(folder: Path) -> None:
    """Changes of the first format: a compaction, and a log since then."""
    _golden("fhn")(folder)
    shutil.rmtree(folder / "live")
    shutil.copytree(GOLDEN / "live/v1/live", folder / "live")


def _changed(folder: Path) -> None:
    """Changes of the second format, of every kind."""
    bundle = write_generation(folder)
    tops = bundle.items["top"].all()
    recommender = Recommender.load(folder)
    recommender.add_items([{"item_id": "new", "type": "top", "code": unpack(bundle.item_codes["top"][0]), "price": 3}])
    recommender.add_outfits({"first": {"top": "new", "shoe": bundle.items["shoe"].id(1)}})
    recommender.add_user("late", liked=["first"])
    assert recommender.compact()
    recommender.update_items([{"item_id": tops[1], "type": "top", "price": 5, "title": "other"}])
    recommender.hide_items({"top": [tops[2]]})
    recommender.remove_items({"top": [tops[3]]})
    recommender.add_outfits({"second": {"top": "new"}})
    recommender.remove_outfits(["first"])
    recommender.remove_user(bundle.users.id(1))
    recommender.close()


def _generations(folder: Path) -> None:
    """A bundle that was trained again twice, and changed between."""
    write_generation(folder, seed=1)
    add_generation(folder, seed=1)
    recommender = Recommender.load(folder)
    recommender.add_outfits({"mine": {"top": recommender.bundle.items["top"].id(0)}})
    recommender.add_user("late", liked=["mine"])
    recommender.close()
    retrain(folder, seed=2)


WORLDS: dict[str, Callable[[Path], None]] = {
    "fhn": _golden("fhn"),
    "encoder": _golden("encoder"),
    "requests": _golden("requests"),
    "live of the first format": _live,
    "live": _changed,
    "generations": _generations,
}

ENGINES = {name: ("scan", "factored", "auto") for name in WORLDS}
ENGINES |= {"fhn": ("sums", "factored", "auto"), "requests": ("sums", "auto"), "encoder": ("auto",)}


def reseal(root: Path) -> None:
    """Manifests as they would be with these files; their fingerprints stay, as `replace_files` leaves them."""
    for path in sorted(root.rglob("manifest.json")):
        try:
            manifest = json.loads(path.read_bytes())
            for name, facts in manifest["files"].items():
                data = (path.parent / name).read_bytes()
                facts.update(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
            manifest.pop("seal", None)
            text = json.dumps(manifest, sort_keys=True)
            manifest["seal"] = hashlib.sha256(text.encode()).hexdigest()[:16]
            path.write_text(json.dumps(manifest))
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            continue  # this is the damaged file, or it names it


class Answers:
    """Answers to questions, each in a form that can be compared; a documented error counts as an answer."""

    def __init__(self) -> None:
        self.all: list[Any] = []

    def add(self, question: Callable[[], Any]) -> None:
        """Asks."""
        try:
            self.all.append(question())
        except FashionHashError as error:
            if len(str(error)) >= MOST_LETTERS:
                raise AssertionError(f"a message of {len(str(error))} letters") from error
            self.all.append(error)


def ask(path: Path, verify: bool, engine: Any = "auto") -> list[Any]:
    """The answers to questions of every kind; outfits that are answered exist, and are in order of their scores."""
    recommender, answers = Recommender.load(path, verify=verify, engine=engine), Answers()
    try:
        bundle = recommender.bundle
        for user in [*bundle.users.all()[:2], None]:
            answers.add(lambda user=user: _outfits(recommender, recommender.recommend(user, 5)))  # type: ignore[misc]
        if not bundle.users.all() or not all(bundle.items[item_type].all() for item_type in bundle.types):
            return answers.all  # a change left no users, or no items of a type
        user, first = bundle.users.all()[0], bundle.items[bundle.types[0]].all()[0]
        slot = bundle.slot_names[0]
        for where in ({"price": {"<": 1e9}}, {"title": {"contains": "o"}}, {"total": {"price": {"<": 40}}}):
            answers.add(lambda where=where: list(recommender.recommend(user, 3, where=where).ids))  # type: ignore[misc]
        answers.add(lambda: list(recommender.recommend(user, 3, diversity=0.5, max_per={"item": 2}).ids))
        answers.add(lambda: [hit.items for hit in recommender.compose(user, 3).hits])
        answers.add(lambda: [hit.items for hit in recommender.complete(user, {slot: first}, 2).hits])
        answers.add(lambda: list(recommender.similar_items(first, 3).ids))
        for outfit_id in recommender.recommend(user, 1).ids:  # none, where a change of the files removed all outfits
            answers.add(lambda outfit_id=outfit_id: recommender.explain(user, str(outfit_id)).to_text())  # type: ignore[misc]
        answers.add(lambda: recommender.liked(user))
        answers.add(lambda: list(recommender.search("something red please", user, 4).ids))
        for item_type in bundle.types:
            answers.add(lambda item_type=item_type: repr(bundle.catalogue.item(item_type, 0)))  # type: ignore[misc]
            answers.add(lambda item_type=item_type: bundle.catalogue.picture(item_type, 0))  # type: ignore[misc]
        answers.add(lambda: recommender.add_outfits({"fuzz": {slot: first}}))
        answers.add(lambda: recommender.add_user("fuzz", liked=["fuzz"]))
        answers.add(lambda: _outfits(recommender, recommender.recommend("fuzz", 3)))
        answers.add(recommender.compact)
        answers.add(lambda: _outfits(recommender, recommender.recommend("fuzz", 3)))
    finally:
        recommender.close()
    return answers.all


def _outfits(recommender: Recommender, hits: Any) -> list[Any]:
    ids, scores = (list(column) for column in hits)
    for outfit_id in ids:
        assert recommender.outfit(str(outfit_id)), f"{outfit_id!r} is answered and does not exist"
    numbers = [float(score) for score in scores]
    assert numbers == sorted(numbers, reverse=True) or any(map(math.isnan, numbers)), f"out of order: {numbers}"
    return [(str(outfit_id), round(number, 9)) for outfit_id, number in zip(ids, numbers)]


def _equal(answer: Any, expected: Any) -> bool:
    return type(answer) is type(expected) if isinstance(expected, FashionHashError) else bool(answer == expected)


class Bundles:
    """The bundles of a worker, with their answers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._answers: dict[str, list[Any]] = {}

    def prepare(self, rng: Random) -> None:
        """Makes the bundle of a case, and loads whatever its answers need."""
        name = rng.choice(list(WORLDS))
        if name not in self._answers:
            WORLDS[name](self._folder / name)
            for engine in ENGINES[name]:
                shutil.copytree(self._folder / name, self._folder / "asked")
                self._answers[name] = ask(self._folder / "asked", True, engine)
                shutil.rmtree(self._folder / "asked")

    def case(self, rng: Random) -> str:
        """Damages a file of a bundle, or two. Returns how it ended."""
        name, how = rng.choice(list(WORLDS)), rng.choice(HOW)
        path = shutil.copytree(self._folder / name, self._folder / "case")
        try:
            files = sorted(file for file in path.rglob("*") if file.is_file() and file.suffix != ".lock")
            changed = rng.sample(files, rng.choice([1, 1, 1, 2]))
            for file in changed:
                change_file(rng, file, files)
            if how == "resealed":
                reseal(path)
            answers = ask(path, how == "verified", rng.choice(ENGINES[name]))
            wrong = [
                (answer, expected)
                for answer, expected in zip(answers, self._answers[name])
                if not isinstance(answer, FashionHashError) and not _equal(answer, expected)
            ]
            sealed = how == "verified" and not any(file.name in UNSEALED for file in changed)
            assert not (sealed and wrong), f"{name}: other answers though verified: {wrong[0]}, of {changed}"
            refused = [answer for answer, expected in zip(answers, self._answers[name]) if not _equal(answer, expected)]
            return "equal" if not refused else "other answers" if wrong else type(refused[0]).__name__
        finally:
            shutil.rmtree(self._folder / "case", ignore_errors=True)
