"""IQON3000 as it was published (Song et al., ACM MM 2019): a JSON file for each outfit, its pictures beside it.

    ROOT/<user>/<set>/<set>_new.json      or <set>.json
        {"setId", "user", "likeCount", "items": [{"itemId", "itemName", "price": "12,420",
         "category x color": "ワンピース × 灰色", "categorys": [...], "colors": [...], "brands": [...], ...}]}
    ROOT/<user>/<set>/<item>_m.jpg        pictures

"categorys" is their spelling. The 62 categories of the site become item types by the table `TYPES`; a category that is
not in it is a type of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fashion_hash.data.dataset import Dataset
from fashion_hash.data.feeds.categories import known_item_type
from fashion_hash.data.formats.catalogues.gather import (
    DECODER,
    Gathered,
    needed_id,
    no_subset,
    objects,
    price,
    text,
    texts,
)
from fashion_hash.data.parsing.fields import id_text
from fashion_hash.data.parsing.json_lines import kind_of
from fashion_hash.data.parsing.text_tables import Reporter, stop
from fashion_hash.data.progress import progress
from fashion_hash.errors import DataError

TYPES = {
    "top": "Tシャツ カーディガン タンクトップ チュニック トップス ニット パーカー ブラウス シャツ",
    "outerwear": "コート ジャケット ダウンジャケット アウター",
    "bottom": "ショートパンツ スカート ロングスカート ロングパンツ パンツ ボトムス デニム",
    "dress": "ワンピース ドレス 浴衣",
    "shoe": "サンダル スニーカー パンプス ブーツ 靴 シューズ ルームシューズ",
    "bag": "クラッチバッグ ショルダーバッグ トートバッグ バッグ ハンドバッグ ボストンバッグ リュック 財布",
    "hat": "キャップ ニット帽 ハット 帽子",
    "jewellery": "アクセサリー ネックレス ピアス リング ブレスレット ブローチ 腕時計 ヘアアクセサリー",
    "accessory": "サングラス ストール ファッション小物 ベルト メガネ 傘 小物 手袋 レッグウェア",
    "home": "インテリア ステーショナリー",
    "beauty": "コスメ ネイル フレグランス ボディケア",
    "underwear": "アンダーウェア ルームウェア 水着",
}
_TYPE_OF = {name: item_type for item_type, names in TYPES.items() for name in names.split()}
_LONGEST_FIRST = sorted(_TYPE_OF, key=lambda name: (-len(name), name))
_CROSS = "×"


def read_iqon_json(
    root: str | Path, subset: str | None = None, slots: Sequence[str] | None = None, report: Reporter = stop
) -> Dataset:
    """All outfits in "train": the release has no splits and no times.

    Args:
        root: the folder that holds a folder for each user.
        subset: must be left out: there are no subsets.
        slots: the item type of each slot; by default chosen from which types occur together.
        report: called with each fault in the files; the default raises the first.

    Raises:
        ConfigError: a subset was given, or there are no items of a slot's type.
        DataError: a file is missing or broken; the message names the file and the key, or the line.
    """
    no_subset("iqon_json", subset)
    root = Path(root)
    gathered = Gathered(root, root)
    for path in progress(_files(root, report), "reading outfits", "outfits"):
        try:
            _add(gathered, _document(path), path)
        except DataError as error:
            report(error if str(path) in str(error) else DataError(f"{path}: {error}"))
    return gathered.dataset("iqon_json", slots)[0]


def find_outfit(root: Path, subset: str | None = None) -> Path:
    """The first outfit. Raises DataError when the folder holds none (`subset` is not used)."""
    if not root.is_dir():
        raise DataError(f"no folder {root}: give the folder that holds a folder for each user")
    first = next(_files(root, lambda error: None), None)
    if first is None:
        holds = ", ".join(sorted(path.name for path in root.iterdir())[:10]) or "nothing"
        raise DataError(f"{root} holds no <user>/<set>/<set>_*.json (it holds {holds})")
    return first


def _files(root: Path, report: Reporter) -> Iterator[Path]:
    """The file of each outfit, user by user."""
    for user in sorted(path for path in root.iterdir() if path.is_dir()):
        for folder in sorted(path for path in user.iterdir() if path.is_dir()):
            found = sorted(folder.glob(f"{folder.name}_*.json")) or sorted(folder.glob(f"{folder.name}.json"))
            if len(found) == 1:
                yield found[0]
            else:
                which = ", ".join(path.name for path in found) or "none"
                report(DataError(f"{folder}: expected one file {folder.name}_*.json, found {which}"))


def _document(path: Path) -> dict[str, Any]:
    """The object in a file, which is UTF-8 or, as part of the release, Shift-JIS."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None
    if not raw.strip():
        raise DataError(f"{path} is empty: expected a JSON object")
    for encoding in ("utf-8-sig", "cp932"):
        try:
            document = DECODER.decode(raw.decode(encoding))
        except UnicodeDecodeError as error:
            if error.reason == "unexpected end of data":
                raise DataError.at(path, raw.count(b"\n") + 1, "not JSON: the file is cut off") from None
            continue
        except json.JSONDecodeError as error:
            raise DataError.at(path, error.lineno, f"not JSON: {error.msg} (column {error.colno})") from None
        except (ValueError, RecursionError) as error:
            raise DataError.at(path, 1, f"not JSON: {error}") from None
        if isinstance(document, dict):
            return document
        raise DataError.at(path, 1, f"expected one JSON object, got {kind_of(document)}")
    raise DataError.at(path, 1, "neither UTF-8 nor Shift-JIS text: fetch the file again")


def _add(gathered: Gathered, row: dict[str, Any], path: Path) -> None:
    """Adds the outfit of a file."""
    set_folder, user_folder = path.parent.name, path.parent.parent.name
    set_id, user = needed_id(row, "setId"), id_text(row.get("user"), "user") or user_folder
    for key, name, folder in (("setId", set_id, set_folder), ("user", user, user_folder)):
        if name != folder:
            raise DataError(f"{key} is {name!r}, but the file lies in the folder {folder!r}")
    numbers = list(_items(gathered, row, f"{user}/{set_id}"))
    gathered.add_set(set_id, numbers, user)


def _items(gathered: Gathered, row: dict[str, Any], folder: str) -> Iterator[int]:
    for place, item in objects(row, "items"):
        try:
            item_id = needed_id(item, "itemId")
            category, colours = _category(item)
            details = {
                "title": text(item, "itemName"),
                "price": price(item),
                "category": category,
                "colour": colours or None,
                "brand": [_told(brand) for brand in texts(item, "brands")] or None,
                "image": f"{folder}/{item_id}_m.jpg",
            }
            yield gathered.add_item(item_id, _item_type(category), details)
        except DataError as error:
            raise DataError(f"{place}: {error}") from None


def _category(item: dict[str, Any]) -> tuple[str, list[str]]:
    """The category of an item and its colours."""
    crossed = (text(item, "category x color") or "").split(_CROSS)
    said = texts(item, "categorys")
    category = crossed[0].strip() or (_told(said[0]).split(_CROSS)[-1].strip() if said else "")
    if not category:
        raise DataError("no category: neither 'category x color' nor 'categorys' names one")
    colours = (
        [crossed[1].strip()]
        if len(crossed) > 1
        else [_told(colour).split(_CROSS)[0].strip() for colour in texts(item, "colors")]
    )
    return category, [colour for colour in colours if colour]


def _told(words: str) -> str:
    """What stands behind the label of a line, such as "ブランド：ZARA"."""
    return words.split("：", 1)[-1].strip()


def _item_type(category: str) -> str:
    """The type of a category: by the table, by the table's longest word at its end, by English words, or itself."""
    if category in _TYPE_OF:
        return _TYPE_OF[category]
    ending = next((name for name in _LONGEST_FIRST if category.endswith(name)), None)
    return _TYPE_OF[ending] if ending else known_item_type(category.lower()) or category
