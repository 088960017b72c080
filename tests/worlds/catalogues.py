"""Small made copies of published catalogues of outfits, each in its exact layout."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

SETS = ("11", "12", "13", "14", "15", "16", "17", "18")
SPLIT_OF = {"train": SETS[:4], "valid": SETS[4:6], "test": SETS[6:]}
ARTICLES = ("0108775015", "0108775044", "0110065001", "0111565001", "0111586001", "0118458003")


def write_json(path: Path, value: Any, indent: int | None = 1) -> None:
    """Writes JSON, a record a line or so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, indent=indent), encoding="utf-8")


def change(path: Path, edit: Callable[[Any], Any]) -> None:
    """Reads a JSON file, lets `edit` change it (in place, or by what it returns) and writes it again."""
    value = json.loads(path.read_text(encoding="utf-8"))
    write_json(path, edit(value) or value)


def _sets(names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Outfits of a top, a bottom and shoes each; those of set n are the items n1, n2 and n3."""
    return [
        {"set_id": name, "items": [{"item_id": f"{name}{index}", "index": index} for index in (1, 2, 3)]}
        for name in names
    ]


def polyvore_outfits(root: Path, subset: str = "disjoint") -> Path:
    """Polyvore Outfits of eight sets, with labels and questions for valid and test; returns its folder."""
    folder = root / subset
    types, metadata = {"1": "tops", "2": "bottoms", "3": "shoes"}, {}
    for split, names in SPLIT_OF.items():
        write_json(folder / f"{split}.json", _sets(names))
        for name in names:
            for index, item_type in types.items():
                metadata[name + index] = {
                    "url_name": f"{item_type} {name}",
                    "title": f"A {item_type} of {name}" if name != "12" else "",
                    "description": "",
                    "catgeories": ["Women's Fashion"],
                    "category_id": "8",
                    "semantic_category": item_type,
                }
        if split != "train":
            first, second = names
            labels = [f"1 {name}_1 {name}_2 {name}_3" for name in names]
            labels += [f"0 {first}_1 {second}_2 {second}_3", f"0 {second}_1 {first}_2 {first}_3"]
            (folder / f"compatibility_{split}.txt").write_text("\n".join(labels) + "\n")
            questions = [
                {"question": [f"{name}_1", f"{name}_3"], "answers": answers, "blank_position": 2}
                for name, answers in ((first, [f"{first}_2", f"{second}_2"]), (second, [f"{first}_2", f"{second}_2"]))
            ]
            write_json(folder / f"fill_in_blank_{split}.json", questions)
    write_json(root / "polyvore_item_metadata.json", metadata)
    (root / "categories.csv").write_text('8,"mini skirts",bottoms\n')
    return folder


def maryland(root: Path) -> Path:
    """Maryland Polyvore of eight sets; the shoes of all are one item, by the address of its image."""
    categories = {1: 21, 2: 237, 3: 43}
    for split, names in SPLIT_OF.items():
        sets = _sets(names)
        for outfit in sets:
            outfit.update(
                name="look", views=8, likes=2, date="One month", desc="", set_url="http://x", image="http://x"
            )
            for item in outfit["items"]:
                index = item["index"]
                tid = item.pop("item_id") if index < 3 else "900"
                item.update(name=f"piece {tid}", price=10.0 * index, likes=3, categoryid=categories[index])
                item["image"] = f"http://img2/cgi/img-thing?.out=jpg&size=m&tid={tid}"
        write_json(root / f"{split}_no_dup.json", sets, None)
    (root / "category_id.txt").write_text("21 T-Shirts\n237 Skinny Jeans\n43 Pumps\n")
    first, second = SPLIT_OF["test"]
    lines = [f"1 {first}_1 {first}_2 {first}_3", f"0 {first}_1 {second}_2", f"0 {second}_1 {first}_2"]
    (root / "fashion_compatibility_prediction.txt").write_text("\n".join(lines) + "\n")
    answers = [f"{first}_2", f"{second}_2", f"{second}_1", "11_2"]
    question = {"question": [f"{first}_1", f"{first}_3"], "answers": answers, "blank_position": 2}
    write_json(root / "fill_in_blank_test.json", [question])
    return root


def iqon_json(root: Path) -> Path:
    """IQON3000 of two users with four sets each."""
    crossed = {1: "ブラウス × 白（ホワイト）", 2: "ロングパンツ × 黒（ブラック）", 3: "パンプス × 赤（レッド）"}
    for at, outfit in enumerate(_sets(SETS)):
        user = "500" if at < 4 else "501"
        items = [
            {
                "imgUrl": f"https://img/items/{item['item_id']}_m.jpg",
                "price": "12,420",
                "category x color": crossed[item["index"]],
                "itemId": int(item["item_id"]),
                "itemName": f"[L]{item['item_id']}",
                "brands": ["ブランド：アンタイトル［UNTITLED］"],
                "categorys": ["カテゴリ：アンタイトル［UNTITLED］× ブラウス"],
                "colors": ["色：白（ホワイト）× ブラウス"],
            }
            for item in outfit["items"]
        ]
        name = outfit["set_id"]
        document = {"setId": name, "setUrl": "https://x", "likeCount": "3", "user": user, "items": items}
        write_json(root / user / name / f"{name}_new.json", document)
    (root / "500" / "11" / "111_m.jpg").write_bytes(b"\xff\xd8\xff")
    return root


def shift15m(root: Path) -> Path:
    """SHIFT15M of eight sets, in one file."""
    sets = []
    for at, outfit in enumerate(_sets(SETS)):
        items = [
            {
                "item_id": item["item_id"],
                "category_id1": str(10 + item["index"]),
                "category_id2": str(10_001 + 1000 * item["index"]),
                "price": "2900",
            }
            for item in outfit["items"]
        ]
        user = {"user_id": f"u{at % 3}", "fav_brand_ids": "12,34"}
        day = f"201{3 + at % 4}-05-0{1 + at}"
        sets.append({"user": user, "like_num": "5", "set_id": outfit["set_id"], "items": items, "publish_date": day})
    write_json(root / "iqon_outfits.json", sets, None)
    return root


def hm(root: Path) -> Path:
    """H&M's purchases: five baskets, two of which are equal, and one purchase of a single article."""
    root.mkdir(parents=True, exist_ok=True)
    groups = ("Garment Upper body", "Garment Lower body", "Shoes")
    lines = ["article_id,product_code,prod_name,product_type_name,product_group_name,colour_group_name,detail_desc"]
    for at, article in enumerate(ARTICLES):
        lines.append(f'{article},{article[:7]},Piece {at},Kind {at},{groups[at % 3]},Black,"Soft, and warm."')
    (root / "articles.csv").write_text("\n".join(lines) + "\n")
    one, other, third = ("00a1" * 16, "00b2" * 16, "00c3" * 16)
    a, b, c, d, e, f = ARTICLES
    sold = [("2018-09-20", one, (a, b, c)), ("2018-09-21", one, (d, e)), ("2018-09-20", other, (c, b, a, a))]
    sold += [("2018-09-22", other, (d, e, f)), ("2018-09-23", third, (f, b)), ("2018-09-24", third, (a,))]
    rows = [f"{day},{customer},{article},0.05,2" for day, customer, basket in sold for article in basket]
    (root / "transactions_train.csv").write_text(
        "\n".join(["t_dat,customer_id,article_id,price,sales_channel_id", *rows]) + "\n"
    )
    picture = root / "images" / a[:3] / f"{a}.jpg"
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_bytes(b"\xff\xd8\xff")
    return root
