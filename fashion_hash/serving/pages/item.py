"""The page of an item: a large picture, its columns, what resembles it, and outfits with it."""

from __future__ import annotations

import time
from typing import Any

from fashion_hash.bundle.lookup import find_item_of_any_type
from fashion_hash.serving.pages.desk import Desk, need

SIMILAR, OUTFITS = 12, 6
SECONDS = 1.0


def item(desk: Desk) -> str:
    """An item and what goes with it."""
    item_id = need(desk.visit.rest.get("id"), "an item")
    recommender, bundle = desk.recommender, desk.bundle
    item_type, row = find_item_of_any_type(bundle, item_id, desk.visit.rest.get("type") or None)
    entry = bundle.catalogue.item(item_type, row)
    similar = recommender.similar_items(item_id, SIMILAR, item_type=item_type)
    slot = bundle.slot_names[bundle.slots.index(item_type)]
    looks, milliseconds, proven = [], 0.0, True
    if len(bundle.slots) > 1:
        began = time.perf_counter()
        others = [
            name for place, name in enumerate(bundle.slot_names) if bundle.slots.index(bundle.slots[place]) == place
        ]
        caps: dict[str, Any] = {"max_repeats": 1, "seconds": SECONDS, "where": desk.where}
        composed = recommender.complete(
            desk.visit.user,
            {slot: item_id},
            OUTFITS,
            types=[name for name in others if name != slot],
            **caps,
            **desk.visit.likes,
        )
        milliseconds, proven = 1000 * (time.perf_counter() - began), composed.proven
        looks = [desk.look(hit) for hit in composed.hits]
    return desk.render(
        "item.html",
        tile=desk.tile(item_type, item_id),
        details=_details(entry.details),
        similar=[
            (desk.tile(item_type, each), share) for each, share in zip(similar.ids.tolist(), similar.scores.tolist())
        ],
        looks=looks,
        proven=proven,
        milliseconds=milliseconds,
        canvas=desk.canvas({slot: item_id}, **{f"lock.{slot}": "1"}, do="fill"),
    )


def _details(details: dict[str, Any]) -> list[tuple[str, str]]:
    """Columns and values in words, in the order of the catalogue; texts of a sentence or more come last."""
    said = [(name.replace("_", " "), _value(value)) for name, value in details.items() if value not in (None, "", [])]
    return sorted(said, key=lambda each: len(each[1]) > 60)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}" if value == round(value, 2) else f"{value:g}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
