"""What was odd in a shop's tables and how often, with a few examples."""

from __future__ import annotations

from collections.abc import Iterable

from fashion_hash.data.dataset import Note

EXAMPLES = 5


class Notes:
    """Collects notes while tables are read: of each kind a count and the first examples."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._examples: dict[str, list[str]] = {}

    def add(self, what: str, example: str, count: int = 1) -> None:
        """Counts one more case of `what`."""
        self._counts[what] = self._counts.get(what, 0) + count
        examples = self._examples.setdefault(what, [])
        if len(examples) < EXAMPLES:
            examples.append(example)

    def add_all(self, what: str, count: int, examples: Iterable[str] = ()) -> None:
        """Counts many cases at once; none if `count` is 0."""
        if count:
            self._counts[what] = self._counts.get(what, 0) + count
            kept = self._examples.setdefault(what, [])
            kept.extend(example for example, _ in zip(examples, range(EXAMPLES - len(kept))))

    def say(self, what: str) -> None:
        """Notes something that is not counted."""
        self._counts.setdefault(what, 0)
        self._examples.setdefault(what, [])

    def count(self, what: str) -> int:
        """How often something was noted."""
        return self._counts.get(what, 0)

    def all(self) -> tuple[Note, ...]:
        """The notes, the most frequent first."""
        ordered = sorted(self._counts, key=lambda what: -self._counts[what])
        return tuple(
            Note(_short(what, 600), self._counts[what], tuple(_short(example, 80) for example in self._examples[what]))
            for what in ordered
        )


def _short(text: str, at_most: int) -> str:
    """A text with its middle left out if it is longer: an id may have a million letters."""
    return text if len(text) <= at_most else f"{text[: at_most - 23]}...{text[-20:]}"
