"""What a visitor said so far: all of it stands in the address, which can be sent to somebody and gone back from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from urllib.parse import urlencode

from fashion_hash.errors import QueryError, shown
from fashion_hash.live.users import OutfitRef

Verdict = Literal["like", "not"]
VERDICTS: dict[str, Verdict] = {"like": "like", "not": "not"}
FILTERS = ("is.", "min.", "max.", "sum.", "has.")  # how parameters of filters begin; the column follows
MOST_SAID, MOST_PARAMETERS, LONGEST = 200, 600, 9_000


@dataclass(frozen=True)
class Visit:
    """The state of a visit.

    Attributes:
        user: the id of the user; None for somebody new.
        said: verdicts on outfits in the order in which they came, each an id or items by slot as JSON.
        filters: parameters of filters, such as ("is.season", "summer").
        rest: the other parameters, by name; the last value counts.
    """

    user: str | None = None
    said: tuple[tuple[Verdict, str], ...] = ()
    filters: tuple[tuple[str, str], ...] = ()
    rest: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, parameters: Sequence[tuple[str, str]]) -> Visit:
        """The visit that an address describes. Raises QueryError for one that is longer than any that pages make."""
        if len(parameters) > MOST_PARAMETERS or any(len(value) > LONGEST for _, value in parameters):
            raise QueryError("this address is too long: begin again from the first page")
        said = [(VERDICTS[name], value) for name, value in parameters if name in VERDICTS and value]
        if len(said) > MOST_SAID:
            raise QueryError(f"this address holds more than {MOST_SAID} likes: keep them first, or begin again")
        filters = tuple((name, value) for name, value in parameters if name.startswith(FILTERS) and value)
        rest = {
            name: value
            for name, value in parameters
            if name not in VERDICTS and name != "user" and not name.startswith(FILTERS)
        }
        user = next((value for name, value in reversed(parameters) if name == "user" and value), None)
        return cls(user, tuple(dict.fromkeys(said)), filters, rest)

    @property
    def liked(self) -> list[OutfitRef]:
        """The outfits that were liked, where nothing else was said of them later."""
        return self._outfits("like")

    @property
    def disliked(self) -> list[OutfitRef]:
        """The outfits that were disliked, where nothing else was said of them later."""
        return self._outfits("not")

    @property
    def likes(self) -> dict[str, Any]:
        """What was said, as options of a Recommender."""
        return {name: value for name, value in (("liked", self.liked), ("disliked", self.disliked)) if value}

    def saying(self, verdict: Verdict, outfit: OutfitRef) -> Visit:
        """The visit with one more verdict, which counts instead of an earlier one on the same outfit."""
        text = outfit if isinstance(outfit, str) else json.dumps(outfit, ensure_ascii=False)
        return replace(self, said=(*((name, value) for name, value in self.said if value != text), (verdict, text)))

    def unsaid(self, place: int = -1) -> Visit:
        """The visit without the verdict at a place, by default the last."""
        said = list(self.said)
        del said[place]
        return replace(self, said=tuple(said))

    def of(self, user: str | None) -> Visit:
        """The visit of another user; what was said is not theirs."""
        return replace(self, user=user, said=())

    def address(self, path: str, **changes: str | None) -> str:
        """An address on which the visit goes on.

        Args:
            path: of the page.
            **changes: parameters besides user, verdicts and filters; None leaves one out. Those of the current address
                are not taken over.
        """
        values = urlencode(self.parameters(changes))
        return f"{path}?{values}" if values else path

    def parameters(self, more: Mapping[str, str | None] | None = None) -> list[tuple[str, str]]:
        """The parameters of an address."""
        user = [] if self.user is None else [("user", self.user)]
        changes = [(name, value) for name, value in (more or {}).items() if value is not None]
        return [*user, *self.said, *self.filters, *changes]

    def without_filters(self, of: Iterable[tuple[str, str]] | None = None) -> Visit:
        """The visit without some filters, by default without any."""
        left_out = set(self.filters if of is None else of)
        return replace(self, filters=tuple(each for each in self.filters if each not in left_out))

    def number(self, name: str, default: int, most: int) -> int:
        """A whole number in the address, 0 or more; the default where it is anything else."""
        text = self.rest.get(name, "")
        return min(int(text), most) if text.isascii() and text.isdecimal() and len(text) < 10 else default

    def _outfits(self, verdict: Verdict) -> list[OutfitRef]:
        return [outfit_of(value) for name, value in self.said if name == verdict]


def outfit_of(text: str) -> OutfitRef:
    """An outfit of an address: its id, or item ids by slot name as JSON."""
    if not text.startswith("{"):
        return text
    try:
        items: Any = json.loads(text)
    except (ValueError, RecursionError):
        return text  # an id may begin so
    if not isinstance(items, dict) or not all(isinstance(value, str) for value in items.values()):
        raise QueryError(f"an outfit must be an id, or item ids by slot name, got {shown(text)}")
    return items
