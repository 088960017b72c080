"""Item types out of the categories of product feeds: the last part that is known decides."""

from __future__ import annotations

import html

_NAMES = {
    "top": "top, shirt, t-shirt, tee, blouse, tank top, polo, sweatshirt, hoodie, sweater, jumper, pullover, cardigan, "
    "knitwear, bodysuit, shirts & tops, tops & t-shirts, clothing top",
    "bottom": "bottom, pants, trouser, jeans, jean, skirt, shorts, legging, chino, culotte",
    "dress": "dress, one-piece, jumpsuit, romper, jumpsuits & rompers",
    "outerwear": "outerwear, coat, jacket, blazer, parka, trench coat, coats & jackets",
    "shoe": "shoe, boot, sandal, sneaker, trainer, heel, high heel, loafer, pump, footwear, ankle boot",
    "bag": "bag, handbag, backpack, clutch, tote, tote bag, shoulder bag, handbags & wallets",
    "hat": "hat, cap, beanie, headwear",
    "scarf": "scarf, scarve, shawl, scarves & shawls",
    "belt": "belt",
    "jewellery": "jewelry, jewellery, necklace, bracelet, earring, ring",
    "sunglasses": "sunglasses",
    "watch": "watch",
    "socks": "sock, hosiery, tights",
    "underwear": "underwear, lingerie, bra, underwear & socks",
    "swimwear": "swimwear, swimsuit, bikini",
    "sleepwear": "sleepwear, pyjama, pajama, nightgown, sleepwear & loungewear",
}
_KNOWN = {name: item_type for item_type, names in _NAMES.items() for name in names.split(", ")}
# numbers of Google's taxonomy, which feeds may give instead of its words
_NUMBERS = {
    "212": "top",
    "204": "bottom",
    "207": "bottom",
    "1581": "bottom",
    "2271": "dress",
    "203": "outerwear",
    "5598": "outerwear",
    "187": "shoe",
    "3032": "bag",
    "6551": "bag",
    "173": "hat",
    "177": "scarf",
    "169": "belt",
    "188": "jewellery",
    "178": "sunglasses",
    "201": "watch",
    "209": "socks",
    "213": "underwear",
    "211": "swimwear",
    "208": "sleepwear",
}


def item_type_of(*categories: object) -> str | None:
    """The item type that categories such as "Clothing > Shirts & Tops" speak of.

    Args:
        categories: the most trusted first; None and "" are passed over.

    Returns:
        The type of the last known part of the first category that has one. Where nothing is known, the last part of
        the first category in words, in lower case; None without any.
    """
    paths = [_parts(str(category)) for category in categories if category]
    for parts in paths:
        for part in reversed(parts):
            if (item_type := known_item_type(part)) is not None:
                return item_type
    return next((parts[-1] for parts in paths if parts and not parts[-1].isdecimal()), None)


def _parts(category: str) -> list[str]:
    category = html.unescape(category).lower().replace("/", ">")
    return [" ".join(part.split()) for part in category.split(">") if part.strip()]


def known_item_type(part: str) -> str | None:
    """The type that one word or name of a category stands for, in lower case; None if it is not known."""
    if part.isdecimal():
        return _NUMBERS.get(part)
    singular = (part, part.removesuffix("s"), part.removesuffix("es"))
    return next((_KNOWN[name] for name in singular if name in _KNOWN), None)
