"""What a person gets to see: outfits and items as tiles with title and picture, for tables, sheets and pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.retrieval.answers import ItemHits
from fashion_hash.retrieval.recommender import Hit, Recommender


@dataclass(frozen=True)
class Tile:
    """One item of an outfit; `picture` holds encoded JPEG or PNG bytes, or None."""

    slot: str
    item_id: str
    title: str | None
    picture: bytes | None

    @property
    def label(self) -> str:
        """The title, or the id where there is none."""
        return self.title or self.item_id


@dataclass(frozen=True)
class Request:
    """What was asked in words: the text, what the answer is made from, and what to know of it."""

    text: str
    by: str
    note: str


@dataclass(frozen=True)
class OutfitView:
    """One person's page: some outfits they liked, and the hits, each with its tiles.

    Attributes:
        user_id: None for nobody in particular.
        request: None where no words were asked.
    """

    user_id: str | None
    num_liked: int
    liked: list[list[Tile]]
    hits: list[tuple[Hit, list[Tile]]]
    request: Request | None = None


@dataclass(frozen=True)
class ItemView:
    """The same for items: each with its request score."""

    user_id: str | None
    num_liked: int
    liked: list[list[Tile]]
    items: list[tuple[float, Tile]]
    request: Request


def tiles(bundle: Bundle, items_by_slot: Mapping[str, str]) -> list[Tile]:
    """The tiles of an outfit given as item ids by slot name."""
    kinds = dict(zip(bundle.slot_names, bundle.slots))
    found = []
    for slot, item_id in items_by_slot.items():
        found.append(_tile(bundle, slot, kinds[slot], item_id))
    return found


def outfit_view(
    recommender: Recommender,
    user_id: str | None,
    hits: Sequence[Hit],
    at_most_liked: int = 6,
    request: Request | None = None,
) -> OutfitView:
    """Gathers titles and pictures for one person's hits, and for the first outfits of their history."""
    bundle = recommender.bundle
    num_liked, liked = _liked(recommender, user_id, at_most_liked)
    return OutfitView(user_id, num_liked, liked, [(hit, tiles(bundle, hit.items)) for hit in hits], request)


def item_view(
    recommender: Recommender, user_id: str | None, hits: ItemHits, request: Request, at_most_liked: int = 6
) -> ItemView:
    """The same for the items that a request found."""
    bundle = recommender.bundle
    num_liked, liked = _liked(recommender, user_id, at_most_liked)
    found = zip(hits.scores.tolist(), hits.types.tolist(), hits.ids.tolist())
    items = [(score, _tile(bundle, kind, kind, item_id)) for score, kind, item_id in found]
    return ItemView(user_id, num_liked, liked, items, request)


def _liked(recommender: Recommender, user_id: str | None, at_most: int) -> tuple[int, list[list[Tile]]]:
    """How many outfits somebody likes, and the tiles of the first ones."""
    liked = [] if user_id is None else recommender.liked(user_id)
    return len(liked), [tiles(recommender.bundle, outfit) for outfit in liked[:at_most]]


def _tile(bundle: Bundle, slot: str, kind: str, item_id: str) -> Tile:
    row = bundle.items[kind].row(item_id)
    item = bundle.catalogue.item(kind, row)
    return Tile(slot, item_id, item.title, bundle.catalogue.picture(kind, row))
