"""The canvas: an outfit built slot by slot out of all items; everything on it stands in the address."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fashion_hash.bundle.lookup import find_item, slot_of
from fashion_hash.bundle.views import AS_TRAINED
from fashion_hash.presentation.tiles import Tile, total_price
from fashion_hash.retrieval.answers import Composed, Hit
from fashion_hash.serving.pages.desk import Desk, Elsewhere

ALTERNATIVES = 10  # of a slot, its own piece among them
SECONDS = 1.0  # that a composition may take; what it found by then is shown, and that it is not proven
DIVERSE = 0.8
MOST_SURPRISES = 50


@dataclass(frozen=True)
class Slot:
    """A frame of the canvas.

    Attributes:
        name: of the slot.
        label: the name as it is read.
        tile: the piece in it, or None.
        locked: whether it stays when the rest is filled.
        alternatives: other pieces, the best first, each with the address on which it is in the frame.
        lock, clear: addresses.
    """

    name: str
    label: str
    tile: Tile | None
    locked: bool
    alternatives: list[tuple[Tile, str, bool]]
    lock: str
    clear: str


def canvas(desk: Desk) -> str | Elsewhere:
    """The canvas, or the address of one on which what was asked for is done."""
    bundle, rest = desk.bundle, desk.visit.rest
    held = {name: rest[f"s.{name}"] for name in bundle.slot_names if rest.get(f"s.{name}")}
    for name, item_id in held.items():
        find_item(bundle, bundle.slots[slot_of(bundle, name)], item_id)  # raises: nearest ids are named
    locked = {name: item_id for name, item_id in held.items() if rest.get(f"lock.{name}")}
    do, surprise = rest.get("do"), desk.visit.number("surprise", 0, MOST_SURPRISES)
    if do in ("fill", "surprise") or (not held and do != "empty"):
        filled = _filled(desk, locked, list(held), surprise + 1 if do == "surprise" else 0)
        if filled.hits:
            number = str(surprise % MOST_SURPRISES + 1) if do == "surprise" else None
            return Elsewhere(address(desk, filled.hits[0].items, locked, surprise=number))
        return _shown(desk, held, locked, str(filled.shortfall.reason) if filled.shortfall else "")
    return _shown(desk, held, locked)


def address(desk: Desk, held: Mapping[str, str], locked: Mapping[str, str], **changes: str | None) -> str:
    """The address of a canvas."""
    locks = {f"lock.{name}": "1" for name in locked if name in held}
    return desk.canvas(held, **locks, taste=weight(desk), **changes)


def weight(desk: Desk) -> str | None:
    """The weight of taste as addresses hold it; None where it is as trained."""
    return None if desk.taste == AS_TRAINED else f"{desk.taste:g}"


def _filled(desk: Desk, locked: Mapping[str, str], held: list[str], surprise: int) -> Composed:
    """The best outfit around the locked pieces, or one of many different ones."""
    names = [name for name in desk.bundle.slot_names if name in held or name in _first_slots(desk)]
    options: dict[str, Any] = {"where": desk.where, "seconds": SECONDS, "taste": desk.taste, **desk.visit.likes}
    if surprise:
        options |= {"diversity": DIVERSE, "skip": surprise}
    open_slots = [name for name in names if name not in locked]
    if not open_slots:
        open_slots = [name for name in names if name != next(iter(locked))]  # everything is locked: nothing to choose
        locked = {name: item_id for name, item_id in locked.items() if name not in open_slots}
    if locked:
        return desk.recommender.complete(desk.visit.user, locked, 1, types=open_slots, **options)
    return desk.recommender.compose(desk.visit.user, 1, types=open_slots, **options)


def _first_slots(desk: Desk) -> list[str]:
    """The slots that an outfit has by itself: of a type that occurs twice, the first."""
    slots = desk.bundle.slots
    return [name for place, name in enumerate(desk.bundle.slot_names) if slots.index(slots[place]) == place]


def _shown(desk: Desk, held: Mapping[str, str], locked: Mapping[str, str], shortfall: str = "") -> str:
    began = time.perf_counter()
    slots, proven = [], True
    for name in desk.bundle.slot_names:
        others = {other: item_id for other, item_id in held.items() if other != name}
        answer = _alternatives(desk, name, others)
        proven = proven and answer.proven
        slots.append(_slot(desk, name, held, locked, answer))
    milliseconds = 1000 * (time.perf_counter() - began)
    open_slots = [name for name in _first_slots(desk) if name not in locked]
    sizes = [len(desk.bundle.items[desk.bundle.slots[slot_of(desk.bundle, name)]]) for name in open_slots]
    hit = _hit(desk, held) if held else None
    pieces = [slot.tile for slot in slots if slot.tile is not None]
    around = [slot.tile for slot in slots if slot.locked and slot.tile is not None]
    return desk.render(
        "canvas.html",
        slots=slots,
        look=desk.look(hit) if hit else None,
        price=total_price(pieces),
        around=around[0].label if around else "",
        shortfall=shortfall,
        possible=math.prod(sizes),
        proven=proven,
        milliseconds=milliseconds,
        fill=address(desk, held, locked, do="fill"),
        surprise=address(desk, held, locked, do="surprise", surprise=desk.visit.rest.get("surprise")),
        clear=address(desk, locked, locked, do="empty"),
        here=address(desk, held, locked),
        keep=_keep(desk, held, locked, taste=weight(desk), do=None if held else "empty"),
        keep_weighing=desk.visit.filters + tuple(_keep(desk, held, locked, do="fill")),
    )


def _keep(desk: Desk, held: Mapping[str, str], locked: Mapping[str, str], **more: str | None) -> list[tuple[str, str]]:
    """What a form carries along, besides filters."""
    frames = {f"s.{name}": item_id for name, item_id in held.items()}
    locks = {f"lock.{name}": "1" for name in locked}
    return desk.visit.without_filters().parameters({**frames, **locks, "model": desk.visit.rest.get("model"), **more})


def _alternatives(desk: Desk, name: str, others: Mapping[str, str]) -> Composed:
    """The best pieces for a slot, given everything else and the user."""
    options: dict[str, Any] = {"where": desk.where, "seconds": SECONDS, "types": [name], **desk.visit.likes}
    options["taste"] = desk.taste
    if others:
        return desk.recommender.complete(desk.visit.user, others, ALTERNATIVES, **options)
    return desk.recommender.compose(desk.visit.user, ALTERNATIVES, **options)


def _slot(desk: Desk, name: str, held: Mapping[str, str], locked: Mapping[str, str], answer: Composed) -> Slot:
    ids = [hit.items[name] for hit in answer.hits]
    now = held.get(name)
    if now is not None and now not in ids:
        ids = [now, *ids[: ALTERNATIVES - 1]]
    alternatives = []
    for item_id in ids:
        [tile] = desk.tiles({name: item_id})
        alternatives.append((tile, address(desk, {**held, name: item_id}, locked), item_id == now))
    without = {other: item_id for other, item_id in held.items() if other != name}
    toggled = {other: item_id for other, item_id in locked.items() if other != name}
    if name not in locked and now is not None:
        toggled[name] = now
    held_tile = next((tile for tile, _, on in alternatives if on), None)
    return Slot(
        name,
        name.replace("_", " ").capitalize(),
        held_tile,
        name in locked,
        alternatives,
        address(desk, held, toggled),
        address(desk, without, toggled, do=None if without else "empty"),
    )


def _hit(desk: Desk, held: Mapping[str, str]) -> Hit:
    """The outfit on the canvas with its score and the terms of it."""
    options: dict[str, Any] = {"neighbours": 0, "top_bits": 0, "taste": desk.taste, **desk.visit.likes}
    parts = desk.recommender.explain(desk.visit.user, dict(held), **options)
    preference = float(sum(sum(item.preference.values()) for item in parts.items))
    compatibility = float(sum(pair.total for pair in parts.pairs))
    bias = float(sum(item.bias for item in parts.items))
    return Hit("", dict(held), parts.score, preference, compatibility, bias, desk.reasons.personal)
