"""The phrases of a catalogue as a bundle keeps them, and as they are when items came or changed since.

Files, within the tables of a bundle (core/texts/mapped.py describes texts):

    phrases.*            the phrases, their words joined by spaces
    meanings.*           by place of the phrase what it means, JSON: a list of [column, role, values, nearly, exact]
    spelled.*            the words that a slip of the pen may be corrected to
    spelled.ranks.npy    (V, 3) int64: how important their column is, how many items have them, how many phrases

How corrections rank stays that of the files; which words they may lead to follows the changes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fashion_hash.core.arrays import open_array
from fashion_hash.core.manifest import Within, check_fields
from fashion_hash.core.texts.mapped import MappedTexts, write_texts
from fashion_hash.errors import BundleError
from fashion_hash.understanding.phrases.build import (
    CatalogueValues,
    Meaning,
    Phrase,
    Phrases,
    Stats,
    column_phrases,
    holds_facts,
    is_short,
    spelled_words,
)

if TYPE_CHECKING:  # it loads pydantic, which queries do without
    from fashion_hash.understanding.words import Words

FIELDS = {
    "words": str,
    "longest": Within(0, 1e9),
    "num_items": Within(0, 1e12),
    "types": (list, str),
    "flags": (list, str),
    "columns": dict,
    "letters": dict,
}


class ValueChange(NamedTuple):
    """What changed in the texts of a column since its files were written.

    Attributes:
        new: texts that no item had.
        gone: texts that no item has any more.
        total: by how much the number of items with a text grew.
    """

    new: Sequence[str] = ()
    gone: Sequence[str] = ()
    total: int = 0


def digest(words: Words) -> str:
    """What tells whether phrases were made with the same words."""
    return sha256(words.model_dump_json().encode()).hexdigest()


def write_phrases(folder: Path, words: Words, values: CatalogueValues) -> dict[str, Any]:
    """Writes the files, and returns what the manifest must hold of them."""
    phrases = Phrases(words, values)
    write_texts(folder, "phrases", [" ".join(phrase) for phrase in phrases.meanings])
    plain = [json.dumps(meanings, ensure_ascii=False) for meanings in phrases.meanings.values()]
    write_texts(folder, "meanings", plain, find=False)
    write_texts(folder, "spelled", list(phrases.ranks))
    np.save(folder / "spelled.ranks.npy", np.array(list(phrases.ranks.values()), dtype=np.int64).reshape(-1, 3))
    return {
        "words": digest(words),
        "longest": phrases.longest,
        "num_items": values.num_items,
        "types": list(values.types),
        "flags": list(values.flags),
        "columns": {column: Stats.of(values.texts[column]) for column in values.texts},
        "letters": dict(phrases.letters),
    }


class KeptPhrases:
    """The phrases as the files hold them.

    Args:
        folder: of the files.
        about: what the manifest holds of them.

    Raises:
        BundleError: a file is missing, cannot be read, or does not fit the others.

    Attributes:
        longest: see `Phrases`.
        words: the digest of the words that they were made with.
        about: what the manifest holds of them.
        columns: by column of texts, what it held.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        """Opens the files."""
        check_fields(folder / "manifest.json", about, FIELDS)
        self.about, self.longest, self.words = about, int(about["longest"]), str(about["words"])
        try:
            self.columns = {column: Stats(*map(int, stats)) for column, stats in about["columns"].items()}
            self.letters = Counter({letter: int(count) for letter, count in about["letters"].items()})
        except (TypeError, ValueError) as error:
            raise self._unreadable(folder / "manifest.json", error) from None
        self._file = folder / "meanings.bytes.npy"
        self._phrases, self._meanings = MappedTexts(folder, "phrases"), MappedTexts(folder, "meanings")
        self._spelled = MappedTexts(folder, "spelled")
        self._ranks = open_array(folder / "spelled.ranks.npy", "tables/spelled.ranks.npy", V=len(self._spelled))
        if len(self._phrases) != len(self._meanings):
            raise BundleError(f"{self._file} is of another length than phrases.bytes.npy: build the index again")

    def get(self, phrase: Phrase) -> tuple[Meaning, ...]:
        """What a phrase means, most important first; nothing for other phrases."""
        place = self._phrases.place(" ".join(phrase))
        if place < 0:
            return ()
        try:
            return tuple(
                Meaning(column, role, tuple(values), tuple(nearly), exact)
                for column, role, values, nearly, exact in json.loads(self._meanings[place])
            )
        except (TypeError, ValueError, RecursionError) as error:
            raise self._unreadable(self._file, error) from None

    def rank(self, word: str) -> tuple[int, int] | None:
        """How important the column of a word of phrases is, and how many items had it; None for other words."""
        place = self._spelled.place(word)
        return None if place < 0 else (int(self._ranks[place, 0]), int(self._ranks[place, 1]))

    def number(self, word: str) -> int:
        """How many phrases hold a word."""
        place = self._spelled.place(word)
        return 0 if place < 0 else int(self._ranks[place, 2])

    def _unreadable(self, path: Path, error: Exception) -> BundleError:
        return BundleError(f"{path} is not readable ({error}): build the index again")


class LivePhrases:
    """The phrases of the files with what changed since.

    Args:
        kept: those of the files.
        words: what users say, the same as for the files.
        changed: by phrase what it means now; nothing for one that means nothing any more.

    Attributes:
        longest, letters: see `Phrases`.
    """

    def __init__(self, kept: KeptPhrases, words: Words, changed: Mapping[Phrase, tuple[Meaning, ...]]) -> None:
        """Reads the changed phrases."""
        self._kept, self._changed = kept, changed
        self.longest = max((kept.longest, *map(len, changed)))
        self.letters = kept.letters.copy()
        self._ranks: dict[str, tuple[int, int] | None] = {}
        numbers: Counter[str] = Counter()
        for phrase, meanings in changed.items():
            step = bool(meanings) - bool(kept.get(phrase))
            for word in spelled_words(phrase, words) if step else ():
                numbers[word] += step
                if step > 0:
                    rank = words.importance(meanings[0].role), max(1, len(meanings[0].values))
                    self._ranks[word] = max(rank, self.rank(word) or rank)
        for word, step in numbers.items():
            before = kept.number(word)
            if not before + step:
                self._ranks[word] = None
            for letter in word if bool(before) != bool(before + step) else ():
                self.letters[letter] += 1 if step > 0 else -1

    def get(self, phrase: Phrase) -> tuple[Meaning, ...]:
        """What a phrase means, most important first; nothing for other phrases."""
        changed = self._changed.get(phrase)
        return self._kept.get(phrase) if changed is None else changed

    def rank(self, word: str) -> tuple[int, int] | None:
        """See `KeptPhrases.rank`."""
        return self._ranks[word] if word in self._ranks else self._kept.rank(word)


def live_phrases(
    kept: KeptPhrases, words: Words, values: CatalogueValues, changes: Mapping[str, ValueChange]
) -> KeptPhrases | LivePhrases | None:
    """The phrases of a live catalogue, made from those of the files.

    Args:
        kept: those of the files.
        words: what users say, the same as for the files.
        values: what the catalogue holds now.
        changes: by column of texts, those that changed.

    Returns:
        The phrases; None where they must be made anew, because other types or columns of true and false occur, or a
        phrase means a column in two ways.
    """
    if list(values.types) != kept.about["types"] or set(values.flags) != set(kept.about["flags"]):
        return None
    order = {column: place for place, column in enumerate(dict.fromkeys(["type", *values.texts]))}
    changed: dict[Phrase, tuple[Meaning, ...]] = {}
    for column in dict.fromkeys([*kept.columns, *values.texts]):
        change = _of_facts(kept, words, values, column, changes.get(column, ValueChange()))
        if not (change.new or change.gone):
            continue
        fresh = dict(column_phrases(column, change.new, words))
        stale = dict(column_phrases(column, change.gone, words))
        gone = set(change.gone)
        for phrase in dict.fromkeys([*stale, *fresh]):
            before = changed.get(phrase, kept.get(phrase))
            if sum(meaning.column == column for meaning in before) > 1:
                return None
            after = [meaning for meaning in before if meaning.column != column]
            after += _merged(next((m for m in before if m.column == column), None), fresh.get(phrase), gone)
            after.sort(key=lambda m: (-words.importance(m.role), not m.values, order.get(m.column, 0)))
            changed[phrase] = tuple(after)
    return LivePhrases(kept, words, changed) if changed else kept


def _of_facts(
    kept: KeptPhrases, words: Words, values: CatalogueValues, column: str, change: ValueChange
) -> ValueChange:
    """What changed in the texts of a column that phrases name: all of them where it only now holds facts, or did."""
    before = kept.columns.get(column, Stats())
    after = Stats(
        before.distinct + len(change.new) - len(change.gone),
        before.short + _short(change.new) - _short(change.gone),
        before.total + change.total,
    )
    held = holds_facts(column, before, words, int(kept.about["num_items"]))
    holds = holds_facts(column, after, words, values.num_items)
    if not held and not holds:
        return ValueChange()  # without reading its texts: titles are many
    role = words.columns.get(words.role_of(column))
    in_compounds = words.compounds and role is not None and role.head == "last" and bool(change.new or change.gone)
    if held and holds and not in_compounds:
        return change
    now = list(values.texts.get(column, ()))
    new = set(change.new)
    earlier = [*(text for text in now if text not in new), *change.gone]
    return ValueChange(now if holds else (), earlier if held else ())


def _short(texts: Iterable[str]) -> int:
    return sum(map(is_short, texts))


def _merged(before: Meaning | None, fresh: Meaning | None, gone: set[str]) -> list[Meaning]:
    """What a phrase means of a column, with new values and without those that are gone: one meaning or none."""
    exact: dict[str, None] = {}
    group: dict[str, None] = {}
    for meaning, left_out in ((before, gone), (fresh, set[str]())):
        if meaning is not None:
            values = dict.fromkeys(value for value in meaning.values if value not in left_out)
            (exact if meaning.exact else group).update(values)
            group.update(dict.fromkeys(value for value in meaning.nearly if value not in left_out))
    meaning = fresh or before
    if meaning is None or not (exact or group):
        return []
    if not exact:
        return [meaning._replace(values=tuple(group), nearly=(), exact=False)]
    return [meaning._replace(values=tuple(exact), nearly=tuple(v for v in group if v not in exact), exact=True)]
