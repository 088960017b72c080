"""What users get to see: outfits and items as tiles with title and picture, for tables, sheets and pages."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Unpack

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.views import AS_TRAINED
from fashion_hash.presentation.details import NOTHING_SHOWN, Shown, money, shown
from fashion_hash.presentation.reasons import Reason, Reasons
from fashion_hash.retrieval.answers import ItemHits
from fashion_hash.retrieval.recommender import Hit, Recommender
from fashion_hash.retrieval.users import LikesInCall, take_likes
from fashion_hash.understanding.said import Fact

# words in names of item types, from large pieces to small ones; a type with none of them stands before the shoes
LARGE = (
    ("coat", "dress", "jumpsuit", "suit", "outerwear", "jacket", "kimono"),
    ("top", "shirt", "blouse", "sweater", "knit", "cardigan", "hoodie", "tee"),
    ("bottom", "trouser", "pant", "jean", "skirt", "short", "legging"),
)
SMALL = (
    ("shoe", "boot", "sneaker", "sandal"),
    ("bag", "hat", "scarf", "belt", "glove", "jewel", "watch", "earring", "necklace", "sock", "accessor", "sunglass"),
)


@dataclass(frozen=True)
class Tile:
    """One item of an outfit.

    Attributes:
        slot: the name of its slot; of an item by itself, its type.
        item_id: its id.
        title: its title, or None.
        picture: encoded JPEG, PNG or GIF bytes, or None.
        shown: its price, brand and stock.
        item_type: its type.
    """

    slot: str
    item_id: str
    title: str | None
    picture: bytes | None
    shown: Shown = NOTHING_SHOWN
    item_type: str = ""

    @property
    def colour(self) -> str:
        """The name of the colour behind its words where it has no picture."""
        return f"c{zlib.crc32(self.item_id.encode()) % 6}"

    @property
    def label(self) -> str:
        """The title, or the id of an item without one."""
        return self.title or self.item_id

    @property
    def price(self) -> str:
        """The price, as it is read; empty where the catalogue has none."""
        return "" if self.shown.price is None else money(self.shown.price, self.shown.currency)

    @property
    def maker(self) -> str:
        """Brand and stock; empty where the catalogue has neither."""
        return " · ".join(filter(None, [self.shown.brand, self.shown.stock]))

    @property
    def line(self) -> str:
        """Brand, price and stock on one line; empty where the catalogue has none."""
        return " · ".join(filter(None, [self.shown.brand, self.price, self.shown.stock]))


def total_price(tiles: Sequence[Tile]) -> str:
    """The price of all items together; empty unless each has one, in one currency."""
    prices = [tile.shown.price for tile in tiles]
    currencies = {tile.shown.currency for tile in tiles}
    if not tiles or None in prices or len(currencies) > 1:
        return ""
    return money(sum(price for price in prices if price is not None), currencies.pop())


def laid_out(tiles: Sequence[Tile]) -> list[Tile]:
    """An outfit as it is laid flat: the largest piece first."""
    sizes = (*LARGE, (), *SMALL)

    def place(tile: Tile) -> int:
        words = re.findall(r"[a-z]+", (tile.item_type or tile.slot).casefold())
        fitting = (size for size, names in enumerate(sizes) if any(word.startswith(names) for word in words))
        return next(fitting, len(LARGE))

    return sorted(tiles, key=place)


@dataclass(frozen=True)
class Request:
    """A request in words.

    Attributes:
        text: the words.
        by: what the answer is based on, see ItemHits.
        note: what to know about the answer; may be empty.
        understood: the facts that the words name.
        unknown: the words that say nothing to the model.
        by_bits: whether the scores are shares of bits.
        photo: the name of the picture that items are to look like; "" where there is none.
    """

    text: str
    by: str
    note: str
    understood: tuple[Fact, ...] = ()
    unknown: tuple[str, ...] = ()
    by_bits: bool = True
    photo: str = ""

    @property
    def unnamed(self) -> tuple[str, ...]:
        """Unknown words that the note does not name."""
        return tuple(word for word in self.unknown if word not in self.note)

    def heading(self, user_id: str | None) -> str:
        """The picture and the words; without either, whose taste is answered."""
        words = f"“{shortened(self.text)}”" if self.text.strip() else ""
        if self.photo:
            return f"Like {shortened(self.photo, 60)}" + (f", and {words}" if words else "")
        return words or f"What {called(user_id)} likes"

    def asked(self, user_id: str | None) -> str:
        """For whom, and by what."""
        return f"for {called(user_id)}, by {self.by}" + (f" ({self.note})" if self.note else "")


def shortened(text: str, at_most: int = 160) -> str:
    """A text on one line, shortened to a number of letters."""
    text = " ".join(text.split())
    return text if len(text) <= at_most else text[: at_most - 1].rstrip() + "…"


@dataclass(frozen=True)
class OutfitView:
    """An answer with outfits, as a user sees it.

    Attributes:
        user_id: the user; None for anyone.
        num_liked: how many outfits the user likes.
        liked: the tiles of the first of these outfits.
        hits: the answer, each hit with its tiles.
        request: the request that was answered; None for the best outfits of the pool.
        reasons: why each hit is shown; empty where nothing is said.
        about: what is known of the user.
        note: of how many outfits these are the best, and how they were chosen.
        tastes: what the user likes more often than usual.
    """

    user_id: str | None
    num_liked: int
    liked: list[list[Tile]]
    hits: list[tuple[Hit, list[Tile]]]
    request: Request | None = None
    reasons: tuple[Reason, ...] = ()
    about: str = ""
    note: str = ""
    tastes: tuple[str, ...] = ()

    @property
    def who(self) -> str:
        """The user, as a heading says it."""
        return headed(self.user_id)

    def reason(self, place: int) -> Reason:
        """Why the hit at a place is shown."""
        return self.reasons[place] if place < len(self.reasons) else Reason()


@dataclass(frozen=True)
class ItemView:
    """An answer with items, as a user sees it.

    Attributes:
        user_id: the user; None for anyone.
        num_liked: how many outfits the user likes.
        liked: the tiles of the first of these outfits.
        items: the answer, each tile with its request score, from 0 to 1.
        request: the request that was answered.
        about: what is known of the user.
        tastes: what the user likes more often than usual.
    """

    user_id: str | None
    num_liked: int
    liked: list[list[Tile]]
    items: list[tuple[float, Tile]]
    request: Request
    about: str = ""
    tastes: tuple[str, ...] = ()

    @property
    def by_bits(self) -> bool:
        """Whether the scores are shares of bits, as they are where nothing is added to them."""
        return self.request.by_bits


def called(user_id: str | None) -> str:
    """How a user is named in a heading: an id alone says little, unless it says that it is a user's."""
    if user_id is None:
        return "anyone"
    return user_id if user_id.casefold().startswith("user") else f"user {user_id}"


def headed(user_id: str | None) -> str:
    """`called` at the start of a heading: a word of ours is written large, an id as it is."""
    who = called(user_id)
    return who if who == user_id else who[:1].upper() + who[1:]


def tiles(bundle: Bundle, items_by_slot: Mapping[str, str]) -> list[Tile]:
    """The tiles of an outfit given as item ids by slot name."""
    types = dict(zip(bundle.slot_names, bundle.slots))
    return [_tile(bundle, slot, types[slot], item_id) for slot, item_id in items_by_slot.items()]


class ViewOptions(LikesInCall, total=False):
    """What else is said about a list of outfits: a note on how it was chosen, and what was told with the question."""

    note: str
    taste: float


def outfit_view(
    recommender: Recommender,
    user_id: str | None,
    hits: Sequence[Hit],
    at_most_liked: int = 6,
    request: Request | None = None,
    **options: Unpack[ViewOptions],
) -> OutfitView:
    """Gathers titles and pictures of a user's hits, and of the first outfits that the user likes.

    Args:
        recommender: what answered.
        user_id: the user; None for anyone.
        hits: the answer.
        at_most_liked: how many liked outfits to show.
        request: the request that was answered, if any.
        **options: note, how the list was chosen; taste, liked, disliked, as they were asked for.
    """
    bundle, note, taste = recommender.bundle, options.pop("note", ""), options.pop("taste", AS_TRAINED)
    reasons = Reasons(recommender, user_id, take_likes(options), taste)
    num_liked, liked = _liked(recommender, user_id, at_most_liked)
    return OutfitView(
        user_id,
        num_liked,
        liked,
        [(hit, tiles(bundle, hit.items)) for hit in hits],
        request,
        tuple(map(reasons.of, hits)),
        _about(reasons),
        _note(reasons, note),
        tuple(reasons.tastes),
    )


def item_view(
    recommender: Recommender, user_id: str | None, hits: ItemHits, request: Request, at_most_liked: int = 6
) -> ItemView:
    """Gathers titles and pictures of the items that a request found; arguments as of `outfit_view`."""
    bundle = recommender.bundle
    num_liked, liked = _liked(recommender, user_id, at_most_liked)
    rows = zip(hits.scores.tolist(), hits.types.tolist(), hits.ids.tolist())
    items = [(score, _tile(bundle, item_type, item_type, item_id)) for score, item_type, item_id in rows]
    return ItemView(user_id, num_liked, liked, items, request)


def _about(reasons: Reasons) -> str:
    """What is known of a user."""
    count = reasons.num_liked
    return f"{count:,} liked outfit{'' if count == 1 else 's'}" if count else "nothing known, so the same for everyone"


def shown_whole(bundle: Bundle, outfits: Sequence[Mapping[str, str]], most: int) -> list[Mapping[str, str]]:
    """The first outfits whose items the catalogue still holds: liked ones may name items that were removed.

    Args:
        bundle: of the moment.
        outfits: item ids by slot name.
        most: how many to return at most.
    """
    tables = {slot: bundle.items[item_type] for slot, item_type in zip(bundle.slot_names, bundle.slots)}
    whole = (outfit for outfit in outfits if all(item_id in tables[slot] for slot, item_id in outfit.items()))
    return list(islice(whole, most))


def _note(reasons: Reasons, note: str) -> str:
    """Of how many outfits these are, how they were chosen, and what percentages are counted over."""
    sampled = reasons.num_compared < reasons.num_outfits
    compared = f"percentages are counted over {reasons.num_compared:,} of them" if sampled else ""
    return " · ".join(filter(None, [f"of {reasons.num_outfits:,}", note, compared]))


def _liked(recommender: Recommender, user_id: str | None, at_most: int) -> tuple[int, list[list[Tile]]]:
    """How many outfits a user likes, and the tiles of the first ones."""
    bundle, liked = recommender.bundle, [] if user_id is None else recommender.liked(user_id)
    return len(liked), [tiles(bundle, outfit) for outfit in shown_whole(bundle, liked, at_most)]


def _tile(bundle: Bundle, slot: str, item_type: str, item_id: str) -> Tile:
    row = bundle.items[item_type].row(item_id)
    item = bundle.catalogue.item(item_type, row)
    return Tile(slot, item_id, item.title, bundle.catalogue.picture(item_type, row), shown(item.details), item_type)
