"""What a data set holds and what is wrong with it, before anyone trains on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np

from fashion_hash.core.outfits import EMPTY, Outfits, canonical_columns, concatenate, slot_names
from fashion_hash.data.dataset import SPLITS, Dataset, Groups
from fashion_hash.data.load import FORMATS, format_named, load_dataset
from fashion_hash.data.negatives import KnownOutfits
from fashion_hash.data.parsing.item_table import ItemTable
from fashion_hash.data.stores.pictures import PictureStore, survey
from fashion_hash.data.stores.vectors import given_vectors
from fashion_hash.errors import DataError, item_noun

EXAMPLES = 20

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One thing worth knowing.

    Attributes:
        severity: "error": the data set cannot be used as it is; "warning": it can, but figures may
            mislead; "note": as it should be.
        what: a sentence.
        count: of how many lines, outfits, items or users it is said.
        examples: the first of them.
    """

    severity: Severity
    what: str
    count: int
    examples: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Report:
    """What a check found.

    Attributes:
        name: of the data set.
        holds: counts, as far as it could be read: slots, users, items by type, splits.
        findings: errors first, then warnings, then notes.
    """

    name: str
    holds: dict[str, Any]
    findings: list[Finding]

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        return not any(finding.severity == "error" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"ok": self.ok, **asdict(self)}

    def __str__(self) -> str:
        return "\n".join([*_table(self.name, self.holds), *_lines(self.findings)])


def check_dataset(
    format: str,
    root: str | Path,
    subset: str | None = None,
    slots: Sequence[str] | None = None,
    decode_pictures: bool = False,
) -> Report:
    """Reads a whole data set, past bad lines, and reports what is wrong with it.

    Args:
        format: as for `load_dataset`.
        root: as for `load_dataset`.
        subset: as for `load_dataset`.
        slots: as for `load_dataset`.
        decode_pictures: decode every picture, instead of only looking whether it exists.

    Raises:
        ConfigError: there is no such format.
        DataError: the folder or subset does not exist, or has none of the format's files. Everything that is wrong
            inside of it is in the report.
    """
    format_named(format, FORMATS).find(Path(root), subset)
    faults: list[str] = []
    try:
        data = load_dataset(format, root, subset=subset, slots=slots, report=lambda error: faults.append(str(error)))
    except DataError as error:
        faults.append(str(error))
        return Report(f"{format} at {root}", {}, [bad_lines(faults)])
    findings = [bad_lines(faults)] if faults else []
    findings += [Finding("warning", note.what, note.count, list(note.examples)) for note in data.notes]
    findings += [*_splits(data), *_leaks(data), *_negatives(data), *_items(data)]
    findings += [*_pictures(data, decode_pictures), *_text_vectors(data), *item_table(data.content.table)]
    order = {"error": 0, "warning": 1, "note": 2}
    findings.sort(key=lambda finding: order[finding.severity])
    return Report(data.name, _holds(data), findings)


def _finding(severity: Severity, what: str, all_of_them: Sequence[str]) -> Iterator[Finding]:
    if len(all_of_them):
        yield Finding(severity, what, len(all_of_them), list(all_of_them[:EXAMPLES]))


def bad_lines(faults: list[str], count: int | None = None) -> Finding:
    """The finding of lines that cannot be used; `count` of them where `faults` are the first only."""
    what = "faults in the files (all else is said of the good lines)"
    return Finding("error", what, len(faults) if count is None else count, faults[:EXAMPLES])


def _holds(data: Dataset) -> dict[str, Any]:
    splits = {}
    for name in (name for name in SPLITS if name in data.splits):
        split = data.splits[name]
        mask = split.positives.mask
        splits[name] = {
            "outfits": len(split.positives),
            "users": len(np.unique(split.positives.users)),
            "negatives": {kind: groups.size for kind, groups in split.negatives.items()},
            "questions": len(split.questions) if split.questions is not None else 0,
            **({"labelled": len(split.labelled.outfits)} if split.labelled is not None else {}),
            **(
                {"retrieval": {slot: len(groups) for slot, groups in split.retrieval.items()}}
                if split.retrieval
                else {}
            ),
            "empty": {
                slot: int((~mask[:, at]).sum())
                for at, slot in enumerate(slot_names(data.slots))
                if not mask[:, at].all()
            },
        }
    items = {item_type: len(vocabulary) for item_type, vocabulary in data.items.items()}
    return {"slots": list(data.slots), "users": len(data.users), "items": items, "splits": splits}


def _describe(data: Dataset, outfits: Outfits) -> list[str]:
    """The first few outfits in words."""
    names = slot_names(data.slots)
    described = []
    for user, row in islice(outfits, EXAMPLES):
        worn = [
            f"{name} {data.items[slot].ids[item]}"
            for name, slot, item in zip(names, data.slots, row.tolist())
            if item != EMPTY
        ]
        described.append(f"user {data.users.ids[user]}: {', '.join(worn)}")
    return described


def _outfits_finding(severity: Severity, what: str, data: Dataset, outfits: Outfits) -> Iterator[Finding]:
    if len(outfits):
        yield Finding(severity, what, len(outfits), _describe(data, outfits))


def _splits(data: Dataset) -> Iterator[Finding]:
    """Users and items of one split only, doubled outfits."""
    for name, split in data.splits.items():
        _, first = np.unique(canonical_columns(split.positives), axis=1, return_index=True)
        double = np.ones(len(split.positives), dtype=bool)
        double[first] = False
        what = f"{name}: outfits that the same user has twice or more"
        yield from _outfits_finding("warning", what, data, split.positives[double])
    if "train" not in data.splits:
        yield Finding("warning", "no train split: nothing to train on", 0)
        return
    if len(data.splits) == 1:
        what = "no split but train: data.split of a configuration divides it, or nothing can be measured"
        yield Finding("note", what, 0)
    train = data.splits["train"].positives
    for name, split in data.splits.items():
        if name == "train":
            continue
        users = np.setdiff1d(split.positives.users, train.users)
        new = [data.users.ids[user] for user in users]
        yield from _finding("warning", f"users of {name} without an outfit in train (new users)", new)
        only = [data.users.ids[user] for user in np.setdiff1d(train.users, split.positives.users)]
        yield from _finding("note", f"users of train without an outfit in {name}", only)
        for item_type in data.types:
            here, there = _used(split.positives, item_type), _used(train, item_type)
            shared = len(np.intersect1d(here, there))
            if len(here):
                noun, share = item_noun(item_type), f"{shared / len(here):.1%}"
                yield Finding("note", f"{noun}s of {name} that occur in train as well ({share})", shared)


def _used(outfits: Outfits, item_type: str) -> np.ndarray:
    rows = outfits.items[:, [at for at, slot in enumerate(outfits.slots) if slot == item_type]]
    return np.unique(rows[rows != EMPTY])


def _leaks(data: Dataset) -> Iterator[Finding]:
    """The same outfit of the same user in two splits."""
    names = [name for name in SPLITS if name in data.splits]
    for at, earlier in enumerate(names):
        known = KnownOutfits(data.splits[earlier].positives)
        for later in names[at + 1 :]:
            positives = data.splits[later].positives
            leaked = positives[known.contains(positives.users, positives.items)]
            what = f"outfits of {later} that the same user has in {earlier} as well: figures will be too good"
            yield from _outfits_finding("warning", what, data, leaked)


def _negatives(data: Dataset) -> Iterator[Finding]:
    """Negatives and candidates that are positives."""
    known = KnownOutfits(concatenate([split.positives for split in data.splits.values()]))
    for name, split in data.splits.items():
        for kind, groups in split.negatives.items():
            table = groups.outfits
            wrong = table[known.contains(table.users, table.items)]
            what = f"{name}: {kind} negatives that are positives of their user in some split"
            yield from _outfits_finding("warning", what, data, wrong)
        asked = {} if split.questions is None else {"questions": split.questions}
        asked |= {f"questions of retrieval_{slot}": groups for slot, groups in split.retrieval.items()}
        for label, groups in asked.items():
            yield from _questions(data, f"{name}: {label}", groups, known)
        for slot, groups in split.retrieval.items():
            rest = np.delete(groups.outfits.items, slot_names(data.slots).index(slot), axis=1)
            by_question = rest.reshape(-1, groups.size, len(data.slots) - 1)
            other = (by_question != by_question[:, :1]).any(axis=(1, 2))
            what = f"{name}: questions of retrieval_{slot} whose candidates differ in another slot"
            yield from _outfits_finding("warning", what, data, groups.outfits[:: groups.size][other])


def _questions(data: Dataset, name: str, questions: Groups, known: KnownOutfits) -> Iterator[Finding]:
    """Questions whose truth is no positive, or stands among the wrong candidates."""
    outfits, size = questions.outfits, questions.size
    columns = canonical_columns(outfits).T.reshape(-1, size, len(data.slots) + 1)
    truth = outfits[::size]
    unknown = ~known.contains(truth.users, truth.items)
    what = f"{name} whose first candidate, the truth, is not a positive of the user"
    yield from _outfits_finding("warning", what, data, truth[unknown])
    tied = (columns[:, 1:] == columns[:, :1]).all(axis=2).any(axis=1)
    yield from _outfits_finding("warning", f"{name} with the truth among the wrong candidates", data, truth[tied])


def _items(data: Dataset) -> Iterator[Finding]:
    """Items that are in a list but in no outfit."""
    for item_type, vocabulary in data.items.items():
        used = np.zeros(len(vocabulary), dtype=bool)
        for split in data.splits.values():
            tables = [split.positives, *(groups.outfits for groups in split.negatives.values())]
            tables += [split.questions.outfits] if split.questions is not None else []
            tables += [split.labelled.outfits] if split.labelled is not None else []
            tables += [groups.outfits for groups in split.retrieval.values()]
            for table in tables:
                used[_used(table, item_type)] = True
        idle = [vocabulary.ids[row] for row in np.flatnonzero(~used)]
        yield from _finding("note", f"{item_noun(item_type)}s that occur in no outfit", idle)


def _distinct_items(data: Dataset) -> list[str]:
    return list(dict.fromkeys(one for vocabulary in data.items.values() for one in vocabulary))


def _pictures(data: Dataset, decode: bool) -> Iterator[Finding]:
    if data.content.pictures is None:
        yield Finding("note", "no pictures: the data set can be used with ids or words only", 0)
        return
    items = _distinct_items(data)
    try:
        missing, undecodable = survey(PictureStore(data.content.pictures, data.content.picture_keys), items, decode)
    except DataError as error:
        yield Finding("error", "the pictures cannot be read", 1, [str(error)])
        return
    severity: Severity = "error" if len(missing) + len(undecodable) == len(items) else "warning"
    yield from _finding(severity, f"items without a picture in {data.content.pictures}", missing)
    broken = [f"{key}: {reason}" for key, reason in undecodable.items()]
    yield from _finding(severity, "pictures that cannot be decoded", broken)
    if not missing and not undecodable:
        done = "a picture that can be decoded" if decode else "a picture (not decoded: --pictures does that)"
        yield Finding("note", f"items, all of them, with {done}", len(items))


def _text_vectors(data: Dataset) -> Iterator[Finding]:
    if data.content.text_vectors is None:
        return
    items = _distinct_items(data)
    try:
        vectors = given_vectors(data.content.text_vectors, items)
    except DataError as error:
        yield Finding("error", "the text vectors cannot be read", 1, [str(error)])
        return
    without = [one for one in items if one not in vectors]
    severity: Severity = "error" if len(without) == len(items) else "warning"
    yield from _finding(severity, f"items without a text vector in {data.content.text_vectors}", without)
    if not without:
        dim = len(next(iter(vectors.values())))
        yield Finding("note", f"items, all of them, with a text vector of {dim} numbers", len(items))


def item_table(table: ItemTable | None) -> Iterator[Finding]:
    """What a table of items tells of the items of a data set."""
    if table is None:
        return
    if table.complaint:
        yield Finding("warning", table.complaint, table.rows)
    elif strangers := table.rows - table.matched:
        what = f"rows of {table.path} that name no item of the data set (not used)"
        yield Finding("note", what, strangers, table.strangers)


def _table(name: str, holds: dict[str, Any]) -> Iterable[str]:
    yield name
    if not holds:
        return
    if "slots" in holds:
        yield f"slots   {', '.join(slot_names(holds['slots']))}"
    yield f"items   {', '.join(f'{count:,} {item_type}' for item_type, count in holds['items'].items())}"
    yield f"users   {holds['users']:,}"
    yield from _aligned(_outfit_rows(holds) if "slots" in holds else _plain_rows(holds))


def _plain_rows(holds: dict[str, Any]) -> list[tuple[str, ...]]:
    """The splits, with whatever is counted of them."""
    columns = list(dict.fromkeys(name for counts in holds["splits"].values() for name in counts))
    rows = [(split, *(f"{counts[name]:,}" for name in columns)) for split, counts in holds["splits"].items()]
    return [("split", *columns), *rows]


def _outfit_rows(holds: dict[str, Any]) -> list[tuple[str, ...]]:
    """The splits; labelled outfits and questions of retrieval have a column where there are any."""
    further = [name for name in ("labelled", "retrieval") if any(name in counts for counts in holds["splits"].values())]
    rows: list[tuple[str, ...]] = [
        ("split", "outfits", "users", "negatives a positive", "questions", *further, "empty slots")
    ]
    for split, counts in holds["splits"].items():
        negatives = ", ".join(f"{size} {kind}" for kind, size in counts["negatives"].items()) or "-"
        outfits, users, questions = (f"{counts[column]:,}" for column in ("outfits", "users", "questions"))
        cells = {"labelled": f"{counts.get('labelled', 0):,}", "retrieval": _by_slot(counts.get("retrieval", {}))}
        rows.append(
            (split, outfits, users, negatives, questions, *(cells[name] for name in further), _by_slot(counts["empty"]))
        )
    return rows


def _by_slot(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {slot}" for slot, count in counts.items()) or "-"


def _aligned(rows: list[tuple[str, ...]]) -> Iterable[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()


def _lines(findings: list[Finding]) -> Iterable[str]:
    for finding in findings:
        count = f": {finding.count:,}" if finding.count else ""
        yield f"{finding.severity + ':':9}{finding.what}{count}"
        if finding.severity == "note":
            continue
        for example in finding.examples:
            yield f"         {example}"
        if (rest := finding.count - len(finding.examples)) > 0 and finding.examples:
            yield f"         ... and {rest:,} more"
    if all(finding.severity == "note" for finding in findings):
        yield "nothing wrong"
