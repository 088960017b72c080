"""Answers as text tables for a terminal. Ids and titles are made visible: none can steer the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.errors import counted, visible
from fashion_hash.presentation.tiles import tiles
from fashion_hash.retrieval.answers import HitList, ItemHits, OutfitsFor
from fashion_hash.retrieval.recommender import Recommender


def outfit_table(recommender: Recommender, user: str | None, hits: HitList, include_liked: bool) -> str:
    """The best outfits of the pool for a user, a line each, and why there are fewer than asked for.

    Args:
        recommender: what answered.
        user: the id of the user; None for anyone.
        hits: the answer.
        include_liked: whether liked outfits were asked for as well.
    """
    count = 0 if user is None else len(recommender.liked(user))
    liked = f"{counted(count, 'liked outfit')} {'included' if include_liked else 'left out'}"
    outfits = counted(len(recommender), "outfit")
    lines = [f"{'anyone' if user is None else visible(user)}: best {len(hits)} of {outfits}, {liked}"]
    ids = _aligned("outfit", [hit.outfit_id for hit in hits])
    lines.append(f"{'':>4}  {ids[0]}  {'score':>8} = preference + compatibility +    bias  items")
    for rank, (hit, outfit_id) in enumerate(zip(hits, ids[1:]), start=1):
        terms = f"{hit.score:8.4f}   {hit.preference:10.4f}   {hit.compatibility:13.4f}   {hit.bias:7.4f}"
        lines.append(f"{rank:>4}  {outfit_id}  {terms}  {_items(recommender.bundle, hit.items)}")
    if hits.shortfall is not None:
        lines.append(visible(hits.shortfall.reason))
    return "\n".join(lines) + "\n"


def request_heading(text: str, user: str | None, answer: ItemHits | OutfitsFor) -> str:
    """What was asked, for whom, how it was answered, and why there are fewer hits than asked for.

    Args:
        text: the words of the request.
        user: the id of the user; None for anyone.
        answer: the answer.
    """
    who = "anyone" if user is None else visible(user)
    return f'"{one_line(text, 100)}" for {who}: {answer_notes(answer)}'


def answer_notes(answer: ItemHits | OutfitsFor) -> str:
    """How an answer was made, what was understood, and why there are fewer hits than asked for."""
    heading = f"by {answer.by}" + (f" ({one_line(answer.note, 300)})" if answer.note else "")
    for name, facts in (("understood", answer.understood), ("to go with", answer.goes_with)):
        if facts:
            heading += f"\n{name}: {one_line('; '.join(map(str, facts)), 300)}"
    if isinstance(answer, OutfitsFor) and not answer.proven:
        heading += f"; not proven: another outfit may score up to {answer.gap:.4f} more than the last one"
    return heading + (f"\n{visible(answer.shortfall.reason)}" if answer.shortfall else "")


def item_table(recommender: Recommender, hits: ItemHits) -> str:
    """The items that a request found, a line each."""
    bundle = recommender.bundle
    item_ids, item_types = hits.ids.tolist(), hits.types.tolist()
    ids, types = _aligned("item", item_ids), _aligned("type", item_types)
    lines = [f"{'':>4}  {'score':>7}  {types[0]}  {ids[0]}  title"]
    for row, (item_id, item_type, score) in enumerate(zip(item_ids, item_types, hits.scores.tolist()), start=1):
        title = bundle.catalogue.item(item_type, bundle.items[item_type].row(item_id)).title or ""
        lines.append(f"{row:>4}  {score:7.4f}  {types[row]}  {ids[row]}  {one_line(title, 60)}".rstrip())
    return "\n".join(lines)


def request_table(recommender: Recommender, answer: OutfitsFor) -> str:
    """The outfits around the items that a request found, a line each."""
    request = f"{answer.weight:g} x request"
    lines = [
        f"{'':>4}  {'total':>8} = {'score':>8} + {request}  (preference + compatibility + bias)"
        "  items, * marks the one that answers the request"
    ]
    for rank, hit in enumerate(answer.hits, start=1):
        totals = f"{hit.total:8.4f}   {hit.score:8.4f}   {hit.request:{len(request)}.4f}"
        terms = f"({hit.preference:10.4f}   {hit.compatibility:13.4f}   {hit.bias:4.2f})"
        lines.append(f"{rank:>4}  {totals}  {terms}  {_items(recommender.bundle, hit.items, hit.anchor)}")
    return "\n".join(lines)


def one_line(text: str, at_most: int = 40) -> str:
    """A title or a note on one line, shortened to a number of letters."""
    text = visible(" ".join(text.split()))
    return text if len(text) <= at_most else text[: at_most - 1].rstrip() + "…"


def _items(bundle: Bundle, items_by_slot: Mapping[str, str], anchor: str | None = None) -> str:
    return " | ".join(
        f"{'*' if tile.slot == anchor else ''}{visible(tile.slot)} {visible(tile.item_id)}"
        + (f" ({one_line(tile.title)})" if tile.title else "")
        for tile in tiles(bundle, items_by_slot)
    )


def _aligned(heading: str, values: Sequence[str]) -> list[str]:
    """A heading and the values below it, padded to one width."""
    cells = [heading, *map(visible, values)]
    width = max(map(len, cells))
    return [cell.ljust(width) for cell in cells]
