"""Made reviews in the form of 2018, with the traits that make request models fail on real files.

cards   few items with nearly the same titles, very short texts that many users write alike, users who buy again
beauty  many items, most users with one review, texts that name the product or say nothing of it
kit     few items of a shop for make-up, a handful of reviews a user, texts about what the product does

Nothing is planted for a model: a review tells of its item by its words, a user keeps to a brand, some items sell more.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

FILLER = [
    *("love it", "great", "very happy with this", "arrived on time", "as described", "would buy again", "good quality"),
    *("not what I expected", "five stars", "perfect", "my daughter loves it", "works well", "nice", "ok for the price"),
    *("thank you", "bought this as a present", "fast shipping", "exactly as pictured", "I use it every day"),
    *("a little disappointed", "will order more", "does the job"),
]
BRANDS = [
    *("Avella", "Borealis", "Cocoon", "Dermalux", "Eden", "Fable"),
    *("Gloria", "Halcyon", "Iris", "Juniper", "Kestrel", "Lumen"),
]
LINES = ["Classic", "Pure", "Night", "Velvet", "Fresh", "Royal", "Urban", "Silk", "Bloom", "Desert"]
BEAUTY = (
    "shampoo:hair,wash,dandruff,scalp,lather|conditioner:hair,soft,tangles,frizz|"
    "face cream:skin,dry,wrinkles,moisturiser|"
    "hand cream:hands,dry,cracked,winter|perfume:smell,scent,lasting,bottle|lipstick:lips,colour,shade,matte|"
    "mascara:lashes,clumps,length,eyes|nail polish:nails,chips,coat,colour|body lotion:skin,smooth,legs,absorbs|"
    "sun lotion:sun,burn,beach,greasy|razor:shave,blades,close,legs|brush:bristles,handle,hair,detangle|"
    "soap:bar,wash,hands,gentle|deodorant:sweat,smell,armpits,stain|serum:skin,glow,drops,spots"
)
CARDS = (
    "coffee:coffee,latte|books:reading,kindle|games:game,console|dining:dinner,restaurant|films:movie,stream|"
    "clothes:shirt,outfit|music:songs,playlist|travel:trip,flight"
)


class Form(NamedTuple):
    """How a file of reviews looks.

    Attributes:
        subjects: what items are about, and the words that go with it.
        title: of an item, with the places brand, subject and line.
        items, users: how many.
        reviews: how many a user writes: the chances of 1, 2, 3, ...
        telling: the chance that a review says what it is about.
        naming: the chance that it names brand or line of its item.
        sentences: at most how many are filler.
        loyal: the chance that a user keeps to their brand.
        again: the chance that a user takes an item again.
    """

    subjects: str
    title: str
    items: int
    users: int
    reviews: tuple[float, ...]
    telling: float
    naming: float
    sentences: int
    loyal: float
    again: float


FORMS = {
    "cards": Form(
        CARDS,
        "{brand} Gift Card, {subject}, delivered by mail, {line}",
        48,
        260,
        (0, 0.1, 0.3, 0.3, 0.3),
        0.25,
        0.12,
        1,
        0.4,
        0.3,
    ),
    "beauty": Form(
        BEAUTY,
        "{brand} {line} {subject}",
        300,
        900,
        (0.55, 0.25, 0.15, 0.05),
        0.75,
        0.3,
        3,
        0.5,
        0.05,
    ),
    "kit": Form(BEAUTY, "{brand} {subject} {line} set", 80, 300, (0, 0, 0.3, 0.4, 0.3), 0.85, 0.35, 2, 0.6, 0.1),
}


def write_reviews(folder: Path, name: str, seed: int = 0) -> Path:
    """Writes a file of reviews and, beside it, the metadata of its items; returns the file.

    Args:
        folder: where to; made if absent.
        name: "cards", "beauty" or "kit".
        seed: of everything.
    """
    form, rng = FORMS[name], np.random.default_rng(seed)
    subjects = [part.split(":") for part in form.subjects.split("|")]
    of_subject = rng.integers(len(subjects), size=form.items)
    of_brand = rng.integers(len(BRANDS), size=form.items)
    of_line = rng.integers(len(LINES), size=form.items)
    sold = 1 / np.arange(1, form.items + 1) ** 0.7
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"meta_{name}.json").open("w", encoding="utf-8") as file:
        for item in range(form.items):
            brand, line = BRANDS[of_brand[item]], LINES[of_line[item]]
            title = form.title.format(brand=brand, line=line, subject=subjects[of_subject[item]][0])
            row = {"asin": f"B{item:05d}", "title": title, "brand": brand, "price": f"${rng.integers(5, 60)}.00"}
            file.write(json.dumps(row) + "\n")
    path = folder / f"{name}.json"
    with path.open("w", encoding="utf-8") as file:
        for user in range(form.users):
            count = 1 + rng.choice(len(form.reviews), p=np.array(form.reviews) / sum(form.reviews))
            brand = rng.integers(len(BRANDS))
            taken: list[int] = []
            for number in range(count):
                chances = sold * np.where(of_brand == brand, 1, 1 - form.loyal) ** 3
                item = int(rng.choice(form.items, p=chances / chances.sum()))
                if taken and rng.random() < form.again:
                    item = taken[-1]
                taken.append(item)
                kind, words = subjects[of_subject[item]]
                names = (BRANDS[of_brand[item]], LINES[of_line[item]])
                row = {
                    "reviewerID": f"A{user:05d}",
                    "asin": f"B{item:05d}",
                    "reviewText": _review(form, rng, f"{kind},{words}".split(","), names),
                    "summary": "Five Stars",
                    "unixReviewTime": 1_400_000_000 + 86_400 * (100 * number + int(rng.integers(90))),
                    "overall": 5.0,
                }
                file.write(json.dumps(row) + "\n")
    return path


def _review(form: Form, rng: np.random.Generator, words: list[str], names: tuple[str, str]) -> str:
    parts = list(rng.choice(FILLER, size=rng.integers(1, form.sentences + 1), replace=False))
    if rng.random() < form.telling:
        about = rng.choice(words, size=min(len(words), 1 + int(rng.integers(3))), replace=False)
        parts.append(f"the {' and '.join(about)} {rng.choice(['is fine', 'could be better', 'is what I needed'])}")
    if rng.random() < form.naming:
        parts.append(f"{names[rng.integers(2)]} {rng.choice(['never fails me', 'again', 'is overrated'])}")
    return ". ".join(rng.permutation(parts).tolist())
