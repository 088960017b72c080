"""What every page needs: who answers, the visit, addresses, outfits with their reasons, and the templates."""

from __future__ import annotations

import re
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.views import AS_TRAINED
from fashion_hash.errors import QueryError
from fashion_hash.live.users import OutfitRef, Told
from fashion_hash.presentation.reasons import Reason, Reasons
from fashion_hash.presentation.templating import STYLE, open_templates, picture_format
from fashion_hash.presentation.tiles import Tile, called, headed, shown_whole, tiles, total_price
from fashion_hash.retrieval.answers import Hit
from fashion_hash.serving.models import Model
from fashion_hash.serving.pages.filters import Menu, chosen, effective, menus, where_of
from fashion_hash.serving.pages.visit import Visit, outfit_of

FOLDER = Path(__file__).parent
MOST_LIKED = 6


class Elsewhere(str):
    """The address that a page sends the visitor on to."""


@dataclass(frozen=True)
class Look:
    """An outfit as a card shows it.

    Attributes:
        hit: the outfit.
        tiles: its pieces.
        reason: why it is shown.
        price: of all pieces; may be empty.
        like, dislike, open: addresses.
    """

    hit: Hit
    tiles: list[Tile]
    reason: Reason
    price: str
    like: str
    dislike: str
    open: str


@dataclass
class Desk:
    """One request for a page.

    Attributes:
        model: the bundle that answers.
        visit: what the visitor said so far.
        can_keep: whether likes can be stored.
        base: the address of the service.
        names: of the models of the service.
        began: when the request came, by time.perf_counter.
    """

    model: Model
    visit: Visit
    can_keep: bool = False
    names: tuple[str, ...] = ()
    base: str = ""
    began: float = field(default_factory=time.perf_counter)

    def __post_init__(self) -> None:
        self.recommender = self.model.recommender
        self.visit = effective(self.visit, self.recommender)
        self.where = where_of(self.visit, self.recommender)
        self._reasons: Reasons | None = None

    @property
    def bundle(self) -> Bundle:
        """The bundle as it is now."""
        return self.recommender.bundle

    @property
    def who(self) -> str:
        """Who asks, as a heading says it."""
        return "You" if self.visit.user is None else headed(self.visit.user)

    @property
    def called(self) -> str:
        """Who asks, within a sentence."""
        return "you" if self.visit.user is None else called(self.visit.user)

    @property
    def whose(self) -> str:
        """Whose taste it is, at the beginning of a label."""
        return "Your" if self.visit.user is None else "Their"

    @property
    def reasons(self) -> Reasons:
        """Makes the reasons of this visitor's answers."""
        if self._reasons is None:
            liked, disliked = self.visit.liked, self.visit.disliked
            told = Told(liked, disliked) if liked or disliked else None
            self._reasons = Reasons(self.recommender, self.visit.user, told, self.taste)
        return self._reasons

    @property
    def caps(self) -> dict[str, int] | None:
        """How often one garment may come."""
        most = {"1": 1, "2": 2, "any": 0}.get(self.visit.rest.get("most", "1"), 1)
        return {"item": most} if most else None

    @property
    def taste(self) -> float:
        """The weight of taste against compatibility that the visitor chose on the canvas."""
        text = self.visit.rest.get("taste", "")
        if not self.weighs or not re.fullmatch(r"[01]|0?\.[0-9]{1,4}|1\.0{1,4}", text):
            return AS_TRAINED
        return float(text)

    @property
    def weighs(self) -> bool:
        """Whether the bundle tells taste and compatibility apart."""
        return self.bundle.scoring == "codes" and bool(self.bundle.preference_scale and self.bundle.compatibility_scale)

    def liked_before(self) -> tuple[int, list[list[Tile]]]:
        """How many outfits the user liked before this visit, and the first of them."""
        liked = [] if self.visit.user is None else self.recommender.liked(self.visit.user)
        return len(liked), [self.tiles(outfit) for outfit in shown_whole(self.bundle, liked, MOST_LIKED)]

    def said(self) -> list[dict[str, Any]]:
        """What was said on this visit, latest first, each with the address that takes it back."""
        return [
            {"verdict": verdict, "tiles": self.outfit(outfit_of(text)), "undo": self.here(self.visit.unsaid(place))}
            for place, (verdict, text) in reversed(list(enumerate(self.visit.said)))
        ]

    def outfit(self, outfit: OutfitRef) -> list[Tile]:
        """The pieces of an outfit that an address names."""
        return self.tiles(self.recommender.outfit(outfit) if isinstance(outfit, str) else outfit)

    def tiles(self, items: Mapping[str, str]) -> list[Tile]:
        """The pieces of an outfit."""
        return tiles(self.bundle, items)

    def tile(self, item_type: str, item_id: str) -> Tile:
        """An item by itself."""
        [tile] = tiles(self.bundle, {self.bundle.slot_names[self.bundle.slots.index(item_type)]: item_id})
        return tile

    def allowed(self) -> dict[str, Any]:
        """By item type, which items pass the filters and are offered; a type is missing where all do."""
        return self.recommender.allowed_items(self.where)

    def look(self, hit: Hit) -> Look:
        """An outfit as a card shows it."""
        outfit: OutfitRef = hit.outfit_id or dict(hit.items)
        pieces = self.tiles(hit.items)
        return Look(
            hit,
            pieces,
            self.reasons.of(hit),
            total_price(pieces),
            self.here(self.visit.saying("like", outfit)),
            self.here(self.visit.saying("not", outfit)),
            self.canvas(hit.items),
        )

    def here(self, visit: Visit) -> str:
        """The stylist's page with another visit; it shows the list from its beginning."""
        kept = {name: self.visit.rest.get(name) for name in ("most", "model")}
        return visit.address("/", **kept)

    def page(self, path: str, **changes: str | None) -> str:
        """The address of a page on which the visit goes on."""
        return self.visit.address(path, model=self.visit.rest.get("model"), **changes)

    def canvas(self, items: Mapping[str, str], **changes: str | None) -> str:
        """The address of the canvas with an outfit on it."""
        return self.page("/canvas", **{f"s.{slot}": item_id for slot, item_id in items.items()}, **changes)

    def source(self, tile: Tile) -> str:
        """The address of a tile's picture; "" where it has none that a browser shows."""
        if picture_format(tile.picture) is None:
            return ""
        path = f"/v1/items/{quote(tile.item_type, safe='')}/{quote(tile.item_id, safe='')}/picture"
        model = f"&model={quote(self.model.name)}" if len(self.names) > 1 else ""
        return f"{path}?v={zlib.crc32(tile.picture or b''):08x}{model}"

    def link(self, tile: Tile) -> str:
        """The address of the page of a tile's item."""
        return self.page("/item", type=tile.item_type, id=tile.item_id)

    @property
    def can_search(self) -> bool:
        """Whether the bundle answers words."""
        return self.bundle.reads_words

    @property
    def can_see(self) -> bool:
        """Whether the bundle reads pictures."""
        return self.recommender.reads_pictures

    def menus(self) -> list[Menu]:
        """The filters that the catalogue offers."""
        return menus(self.recommender)

    def render(self, name: str, **values: Any) -> str:
        """A page as text.

        Args:
            name: of the template.
            **values: what it shows besides what all pages show.
        """
        milliseconds = 1000 * (time.perf_counter() - self.began)
        return (
            templates()
            .get_template(name)
            .render(
                desk=self,
                visit=self.visit,
                source=self.source,
                link=self.link,
                chosen=chosen(self.visit),
                page_milliseconds=milliseconds,
                style=f"/pages/style.css?v={style_version()}",
                **values,
            )
        )


@cache
def templates() -> Environment:
    """The templates of the service."""
    made = open_templates(lambda tile: "", lambda tile: "", FOLDER / "templates")
    made.filters.update(number=lambda value: f"{value:g}", label=lambda name: name[:1].upper() + name[1:])
    return made


@cache
def style() -> bytes:
    """The style sheet of all pages."""
    return b"\n".join(path.read_bytes() for path in (STYLE, FOLDER / "static/pages.css"))


@cache
def style_version() -> str:
    """What changes when the style sheet does."""
    return f"{zlib.crc32(style()):08x}"


def need(value: str | None, what: str) -> str:
    """A parameter of an address. Raises QueryError where it is missing."""
    if not value:
        raise QueryError(f"this address lacks {what}: go back and choose again")
    return value
