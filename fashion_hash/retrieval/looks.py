"""What a person gets to see: outfits as tiles with title and picture, for tables, sheets and pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fashion_hash.bundle import Bundle
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
class Looks:
    """One person's page: some outfits they liked, and the hits, each with its tiles."""

    user_id: str
    num_liked: int
    liked: list[list[Tile]]
    hits: list[tuple[Hit, list[Tile]]]


def tiles(bundle: Bundle, items_by_slot: Mapping[str, str]) -> list[Tile]:
    """The tiles of an outfit given as item ids by slot name."""
    kinds = dict(zip(bundle.slot_names, bundle.slots))
    found = []
    for slot, item_id in items_by_slot.items():
        kind = kinds[slot]
        row = bundle.items[kind].row(item_id)
        item = bundle.catalogue.item(kind, row)
        found.append(Tile(slot, item_id, item.title, bundle.catalogue.picture(kind, row)))
    return found


def looks(recommender: Recommender, user_id: str, hits: list[Hit], at_most_liked: int = 6) -> Looks:
    """Gathers titles and pictures for one person's hits, and for the first outfits of their history."""
    bundle, liked = recommender.bundle, recommender.liked(user_id)
    return Looks(
        user_id,
        len(liked),
        [tiles(bundle, outfit) for outfit in liked[:at_most_liked]],
        [(hit, tiles(bundle, hit.items)) for hit in hits],
    )
