"""Small invented files of reviews and logs, one of each form, for tests of everything that reads requests."""

from __future__ import annotations

import json
from pathlib import Path

# (user, item, title, text, unix seconds); anna and bo have four reviews, cleo three, dora one
REVIEWS = [
    ("anna", "i1", "Lovely knit", "Soft grey jumper, warm on the coast", 1_400_000_000),
    ("anna", "i2", "Five Stars", "Boots for long walks in the rain", 1_410_000_000),
    ("anna", "i3", "Too short", "The linen skirt ends above my knees", 1_420_000_000),
    ("anna", "i4", "A hat", "Straw hat &amp; ribbon,<br />blue", 1_430_000_000),
    ("bo", "i2", "Sturdy", "These boots survived the winter", 1_400_000_001),
    ("bo", "i1", "Itchy", "The jumper scratches my neck", 1_410_000_001),
    ("bo", "i4", "Fine", "", 1_420_000_001),
    ("bo", "i3", "Gift", "A skirt for my sister's birthday", 1_430_000_001),
    ("cleo", "i3", "Airy", "Cool linen for hot evenings", 1_405_000_000),
    ("cleo", "i4", "", "Shade für die Augen ☀", 1_415_000_000),
    ("cleo", "i1", "Cosy", "I live in this jumper", 1_425_000_000),
    ("dora", "i2", "Heavy", "Heavy boots with good soles", 1_405_000_002),
]


def form_2014() -> list[dict]:
    return [
        {
            "reviewerID": user,
            "asin": item,
            "helpful": [0, 0],
            "reviewText": text,
            "overall": 5.0 if user != "bo" else 2.0,
            "summary": title,
            "unixReviewTime": when,
            "reviewTime": "05 13, 2014",
        }
        for user, item, title, text, when in REVIEWS
    ]


def form_2018() -> list[dict]:
    rows = [{**row, "verified": True, "style": {"Size:": " L", "Color:": " Fog"}} for row in form_2014()]
    for row in rows:
        del row["helpful"]
    return rows


def form_2023() -> list[dict]:
    return [
        {
            "rating": 5.0 if user != "bo" else 2.0,
            "title": title,
            "text": text,
            "images": [],
            "asin": f"{item}-blue",
            "parent_asin": item,
            "user_id": user,
            "timestamp": 1000 * when + 7,
            "verified_purchase": True,
        }
        for user, item, title, text, when in REVIEWS
    ]


def form_yelp() -> list[dict]:
    return [
        {
            "review_id": f"r{number}",
            "user_id": user,
            "business_id": item,
            "stars": 5.0 if user != "bo" else 2.0,
            "text": text,
            "date": f"2014-{1 + number:02d}-07 22:09:11",
        }
        for number, (user, item, _, text, _) in enumerate(sorted(REVIEWS, key=lambda review: review[4]))
    ]


def write_lines(path: Path, rows: list[dict]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path
