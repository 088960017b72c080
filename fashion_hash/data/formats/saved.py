"""A data set that was put together in memory, saved as a folder that every tool reads: `data.format: saved`.

    FOLDER/manifest.json                      what there is, with the checksum of every file
    FOLDER/users.json, items.N.json           ids in the order of their rows; N numbers the item types
    FOLDER/SPLIT.TABLE.{users,items}.npy      outfits: positives, negatives, questions, retrieval,
                                              labelled; told of cold users
    FOLDER/SPLIT.{ids,times,weights,kinds}    facts about the positives
    FOLDER/content.*                          details, features, keys of pictures, newer pictures

Arrays are .npy without pickle, everything else is JSON. Pictures and given text vectors stay where they are; the folder
holds their paths.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from fashion_hash.core.files import atomic_folder
from fashion_hash.core.manifest import read_manifest, seal
from fashion_hash.core.outfits import EMPTY, Outfits, check_slots
from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.dataset import SPLITS, ColdUsers, Content, Dataset, Groups, Labelled, Note, Pool, Split
from fashion_hash.data.facts import OutfitFacts
from fashion_hash.data.parsing.text_tables import Reporter, stop
from fashion_hash.errors import BundleError, ConfigError, DataError, counted, expect, suggest

FORMAT = "fashion_hash data set"
FORMAT_VERSION = 1
MANIFEST = "manifest.json"
_TEXTS = ("ids", "kinds")  # of the facts, those that are not arrays of numbers


def save_dataset(dataset: Dataset, folder: str | Path) -> Path:
    """Saves a data set as a folder that every tool reads (`data.format: saved`).

    Everything is kept but the pictures and the file of given text vectors, which are named by their paths, and the
    table that details were read from. The data set that is read has the same fingerprint.

    Args:
        dataset: anything that `load_dataset` returns, or that was put together in memory.
        folder: where to; an older data set there is replaced in one step, anything else is left alone.

    Returns:
        The folder.

    Raises:
        DataError: the folder holds something else; a split has an unknown name; outfits have other slots than the data
            set, or rows of users or items that it does not have; or vectors of one modality and type differ in length.
    """
    expect(dataset, Dataset, "save_dataset", "read one with load_dataset(format, root), or make a Dataset")
    folder = Path(folder)
    if folder.is_dir() and any(folder.iterdir()) and not _is_saved(folder):
        raise DataError(f"{folder} holds something else than a saved data set: name an empty or a new folder")
    with atomic_folder(folder) as temporary:
        _Writer(temporary, folder).write(dataset)
    return folder


def read_saved(
    root: str | Path,
    subset: str | None = None,
    slots: Sequence[str] | None = None,
    report: Reporter = stop,
) -> Dataset:
    """The data set that `save_dataset` wrote.

    Args:
        root: the folder.
        subset: must be left out: there are no subsets.
        slots: may be left out; if given, those of the data set.
        report: called with what is wrong; nothing can be read past it, so it is raised all the same.

    Raises:
        ConfigError: a subset, or other slots, were given.
        DataError: a file is missing or was changed.
    """
    if subset is not None:
        raise ConfigError(f"a saved data set has no subsets: leave out subset {subset!r}")
    dataset = _Reader(Path(root), _manifest(Path(root), verify=True)).dataset()
    if slots is not None and tuple(slots) != dataset.slots:
        raise ConfigError(f"the slots of {root} are {list(dataset.slots)}, not {list(slots)}")
    return dataset


def find_saved(root: Path, subset: str | None = None) -> Path:
    """The manifest. Raises DataError when the folder holds no saved data set (`subset` is not used)."""
    _manifest(root, verify=False)
    return root / MANIFEST


def _is_saved(folder: Path) -> bool:
    try:
        return bool(json.loads((folder / MANIFEST).read_bytes()).get("format") == FORMAT)
    except (OSError, ValueError, AttributeError):
        return False


def _manifest(folder: Path, *, verify: bool) -> dict[str, Any]:
    if not folder.is_dir():
        raise DataError(f"no folder {folder}: give the folder that save_dataset wrote")
    try:
        return read_manifest(folder, FORMAT, FORMAT_VERSION, verify=verify)
    except BundleError as error:
        raise DataError(str(error).split(": export ")[0] + ": save it again with save_dataset") from None


class _Writer:
    """Writes the files of a data set.

    Args:
        folder: where to.
        final: where the folder will stand in the end; pictures below it are named relative to it.
    """

    def __init__(self, folder: Path, final: Path) -> None:
        self._folder, self._final = folder, final

    def write(self, dataset: Dataset) -> None:
        """Everything, and the manifest."""
        self._slots, self._items = check_slots(dataset.slots), dataset.items
        if absent := [item_type for item_type in self._slots if item_type not in dataset.items]:
            raise DataError(f"the data set has slots of the type {absent[0]!r}, but no items of it")
        for name in (*dataset.splits, *(dataset.cold.splits if dataset.cold is not None else ())):
            if name not in SPLITS:
                raise DataError(f"unknown split {name!r}{suggest(name, SPLITS)}; splits are {', '.join(SPLITS)}")
        self._users = len(dataset.users)
        self._json("users.json", dataset.users.ids)
        for number, vocabulary in enumerate(dataset.items.values()):
            self._json(f"items.{number}.json", vocabulary.ids)
        about: dict[str, Any] = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "name": dataset.name,
            "slots": dataset.slots,
            "types": list(dataset.items),
            "splits": {name: self._split(name, split) for name, split in dataset.splits.items()},
            "content": self._content(dataset.content),
            "notes": [[note.what, note.count, note.examples] for note in dataset.notes],
            "cold": None,
            "pool": dataset.pool is not None,
            "dataset": dataset.fingerprint,
        }
        if dataset.pool is not None:
            self._json("pool.ids.json", dataset.pool.ids)
            self._outfits("pool", dataset.pool.outfits)
        if dataset.cold is not None:
            self._users = len(dataset.cold.ids)  # whose rows the tables from here on hold
            self._json("cold.json", dataset.cold.ids)
            self._outfits("cold.told", dataset.cold.told)
            about["cold"] = {name: self._split(f"cold.{name}", split) for name, split in dataset.cold.splits.items()}
        seal(self._folder, about)

    def _split(self, name: str, split: Split) -> dict[str, Any]:
        self._outfits(f"{name}.positives", split.positives)
        is_labelled = split.labelled is not None
        about: dict[str, Any] = {"negatives": {}, "questions": None, "facts": None, "labelled": is_labelled}
        for number, (kind, groups) in enumerate(split.negatives.items()):
            self._outfits(f"{name}.negatives.{number}", groups.outfits)
            about["negatives"][kind] = groups.size
        if split.questions is not None:
            self._outfits(f"{name}.questions", split.questions.outfits)
            about["questions"] = split.questions.size
        about["retrieval"] = {}
        for number, (slot, groups) in enumerate(split.retrieval.items()):
            self._outfits(f"{name}.retrieval.{number}", groups.outfits)
            about["retrieval"][slot] = groups.size
        if split.labelled is not None:
            self._outfits(f"{name}.labelled", split.labelled.outfits)
            self._array(f"{name}.labels", split.labelled.compatible)
        if split.facts is not None:
            about["facts"] = []
            for column in (column.name for column in fields(OutfitFacts)):
                values = getattr(split.facts, column)
                if values is None:
                    continue
                about["facts"].append(column)
                if column in _TEXTS:
                    self._json(f"{name}.{column}.json", values.tolist())
                else:
                    self._array(f"{name}.{column}", values)
        return about

    def _content(self, content: Content) -> dict[str, Any]:
        for number, of_type in enumerate(content.details.values()):
            self._lines(f"content.details.{number}.jsonl", of_type.items())
        features: dict[str, list[str]] = {}
        for number, (modality, by_type) in enumerate(content.features.items()):
            features[modality] = list(by_type)
            for at, (item_type, vectors) in enumerate(by_type.items()):
                if len({np.shape(vector) for vector in vectors.values()}) > 1:
                    raise DataError(f"the {modality} features of {item_type} items have different lengths")
                self._json(f"content.features.{number}.{at}.json", list(vectors))
                matrix = np.stack(list(vectors.values())) if vectors else np.zeros((0, 0))
                self._array(f"content.features.{number}.{at}", matrix)
        self._json("content.picture_keys.json", dict(content.picture_keys))
        newer = [np.frombuffer(picture, dtype=np.uint8) for picture in content.newer_pictures.values()]
        self._json("content.newer_pictures.json", list(content.newer_pictures))
        self._array("content.newer_pictures.sizes", np.array([len(picture) for picture in newer], dtype=np.int64))
        self._array("content.newer_pictures", np.concatenate([np.zeros(0, dtype=np.uint8), *newer]))
        return {
            "pictures": self._path(content.pictures),
            "text_vectors": self._path(content.text_vectors),
            "details": list(content.details),
            "features": features,
            "notes": content.notes,
            "names": dict(content.names),
        }

    def _path(self, path: Path | None) -> str | None:
        """A path as the manifest has it: relative to the folder for what lies in it, else absolute."""
        if path is None:
            return None
        absolute, here = Path(path).resolve(), self._final.resolve()
        return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(absolute)

    def _outfits(self, name: str, outfits: Outfits) -> None:
        if outfits.slots != self._slots:
            raise DataError(f"{name}: outfits of the slots {list(outfits.slots)}, not {list(self._slots)}")
        if (beyond := _beyond(outfits, self._users, self._items)) is not None:
            raise DataError(f"{name}: {beyond} of the data set")
        self._array(f"{name}.users", outfits.users)
        self._array(f"{name}.items", outfits.items)

    def _array(self, name: str, array: np.ndarray) -> None:
        np.save(self._folder / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)

    def _json(self, name: str, value: object) -> None:
        self._lines(name, [value])

    def _lines(self, name: str, rows: Iterable[object]) -> None:
        with open(self._folder / name, "w", encoding="utf-8") as stream:
            for row in rows:
                stream.write(json.dumps(row, default=_plain) + "\n")


def _plain(value: Any) -> Any:
    """A value of numpy as JSON has it."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise DataError(f"{value!r} of type {type(value).__name__} cannot be saved: details are texts, numbers and lists")


def _beyond(table: Outfits, users: int, items: Mapping[str, Vocabulary]) -> str | None:
    """What is wrong with a row of a user or an item that is in no vocabulary; None where all are."""
    limits = [("user", table.users, 0, users)]
    limits += [(name, table.items[:, slot], EMPTY, len(items[name])) for slot, name in enumerate(table.slots)]
    for what, rows, low, high in limits:
        if len(rows) and not low <= rows.min() <= rows.max() < high:
            return f"a {what} row beyond the {counted(high, 'id')}"
    return None


class _Reader:
    """Reads the files of a data set; everything is checked against the manifest and the ids.

    Args:
        folder: the saved data set.
        manifest: its manifest.
    """

    def __init__(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        self._folder, self._about = folder, manifest

    def dataset(self) -> Dataset:
        """The data set."""
        about = self._about
        try:
            self._slots = check_slots(about["slots"])
            self._users = Vocabulary(self._json("users.json"), "user")
            self._items = {
                item_type: Vocabulary(self._json(f"items.{number}.json"), item_type)
                for number, item_type in enumerate(about["types"])
            }
            dataset = Dataset(
                str(about["name"]),
                self._slots,
                self._users,
                self._items,
                {name: self._split(name, split, len(self._users)) for name, split in about["splits"].items()},
                self._content(about["content"]),
                self._cold(),
                self._pool() if about["pool"] else None,
                tuple(Note(str(what), int(count), tuple(examples)) for what, count, examples in about["notes"]),
            )
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise DataError(f"{self._folder} is not a whole saved data set ({error!r}): save it again") from None
        if dataset.fingerprint != about["dataset"]:
            raise DataError(f"{self._folder} is not the data set that was saved: save it again with save_dataset")
        return dataset

    def _pool(self) -> Pool:
        return Pool(tuple(self._json("pool.ids.json")), self._outfits("pool", len(self._users)))

    def _cold(self) -> ColdUsers | None:
        if self._about["cold"] is None:
            return None
        ids = tuple(self._json("cold.json"))
        splits = {name: self._split(f"cold.{name}", split, len(ids)) for name, split in self._about["cold"].items()}
        return ColdUsers(ids, self._outfits("cold.told", len(ids)), splits)

    def _split(self, name: str, about: Mapping[str, Any], users: int) -> Split:
        labelled = None
        if about["labelled"]:
            labelled = Labelled(self._outfits(f"{name}.labelled", users), self._array(f"{name}.labels"))
        questions = about["questions"]
        return Split(
            self._outfits(f"{name}.positives", users),
            {
                kind: Groups(self._outfits(f"{name}.negatives.{number}", users), size)
                for number, (kind, size) in enumerate(about["negatives"].items())
            },
            None if questions is None else Groups(self._outfits(f"{name}.questions", users), questions),
            None if about["facts"] is None else OutfitFacts(**{key: self._fact(name, key) for key in about["facts"]}),
            labelled,
            {
                slot: Groups(self._outfits(f"{name}.retrieval.{number}", users), size)
                for number, (slot, size) in enumerate(about.get("retrieval", {}).items())  # absent in older folders
            },
        )

    def _fact(self, name: str, column: str) -> np.ndarray:
        if column not in _TEXTS:
            return self._array(f"{name}.{column}")
        texts = self._json(f"{name}.{column}.json")
        array = np.empty(len(texts), dtype=object)
        array[:] = texts
        return array

    def _content(self, about: Mapping[str, Any]) -> Content:
        sizes = self._array("content.newer_pictures.sizes")
        ends = np.cumsum(sizes)
        whole = self._array("content.newer_pictures").tobytes()
        newer = self._json("content.newer_pictures.json")
        return Content(
            self._path(about["pictures"]),
            self._path(about["text_vectors"]),
            {
                item_type: dict(self._lines(f"content.details.{number}.jsonl"))
                for number, item_type in enumerate(about["details"])
            },
            picture_keys=self._json("content.picture_keys.json"),
            newer_pictures={key: whole[end - size : end] for key, end, size in zip(newer, ends, sizes)},
            features={
                modality: {item_type: self._vectors(f"{number}.{at}") for at, item_type in enumerate(types)}
                for number, (modality, types) in enumerate(about["features"].items())
            },
            notes=tuple(about["notes"]),
            names=about["names"],
        )

    def _vectors(self, name: str) -> dict[str, np.ndarray]:
        ids, vectors = self._json(f"content.features.{name}.json"), self._array(f"content.features.{name}")
        return dict(zip(ids, vectors, strict=True))

    def _path(self, text: str | None) -> Path | None:
        return None if text is None else self._folder / text

    def _outfits(self, name: str, users: int) -> Outfits:
        """A table; every row of a user and an item is within its vocabulary."""
        table = Outfits(self._slots, self._array(f"{name}.users"), self._array(f"{name}.items"))
        if table.users.dtype.kind not in "iu" or table.items.dtype.kind not in "iu":
            raise DataError(
                f"{self._folder / name}: rows must be whole numbers, got {table.items.dtype}: save it again"
            )
        if (beyond := _beyond(table, users, self._items)) is not None:
            raise DataError(f"{self._folder / name}: {beyond}: save it again")
        return table

    def _array(self, name: str) -> np.ndarray:
        return np.asarray(np.load(self._folder / f"{name}.npy", allow_pickle=False))

    def _json(self, name: str) -> Any:
        (value,) = self._lines(name)
        return value

    def _lines(self, name: str) -> Iterator[Any]:
        with open(self._folder / name, encoding="utf-8") as stream:
            yield from map(json.loads, stream)
