"""Shopify's product CSV: variants in rows, empty repeated cells, HTML, pictures by position, and damaged twins."""

from pathlib import Path

import pytest

from fashion_hash.data.feeds.shopify import is_shopify_csv, read_shopify_csv
from fashion_hash.errors import DataError

CSV = """Handle,Title,Body (HTML),Vendor,Product Category,Type,Tags,Published,Option1 Name,Option1 Value,Option2 Name,\
Option2 Value,Variant SKU,Variant Inventory Tracker,Variant Inventory Qty,Variant Inventory Policy,Variant Price,\
Variant Compare At Price,Image Src,Image Position,Variant Image,Status
linen-shirt,Linen shirt,"<p>Cool &amp; <b>light</b>.</p>
<ul><li>linen</li></ul><script>alert(1)</script>",Nord,Apparel & Accessories > Clothing > Clothing Tops > Shirts,Shirt,\
"linen, summer, linen",TRUE,Size,S,Color,Red,'001,shopify,3,deny,59.90,79.90,https://cdn/2.jpg,2,https://cdn/red.jpg,active
linen-shirt,,,,,,,,,M,,Red,002,shopify,0,deny,61.90,,https://cdn/1.jpg,1,,
linen-shirt,,,,,,,,,S,,Dark Blue,003,shopify,0,deny,59.90,,,,,
linen-shirt,,,,,,,,,,,,,,,,,,https://cdn/3.jpg,3,,
gift,Gift bag,,Sued,,,,true,Title,Default Title,,,,,,,4,,,,,draft
mule,Mule,,Sued,,Mules,,false,Size,38,,,004,shopify,0,continue,90,,,,,active
"""


def items_of(tmp_path: Path, text: str = CSV) -> dict:
    (tmp_path / "products.csv").write_text(text)
    assert is_shopify_csv(tmp_path / "products.csv")
    return {row["item_id"]: row for _, row in read_shopify_csv(tmp_path / "products.csv")}


def test_products_become_items_of_one_colour(tmp_path: Path) -> None:
    items = items_of(tmp_path)
    assert items == {
        "linen-shirt-red": {
            "item_id": "linen-shirt-red",
            "type": "top",
            "title": "Linen shirt",
            "description": "Cool & light . linen",
            "brand": "Nord",
            "tags": ["linen", "summer"],
            "active": True,
            "colour": "Red",
            "image": "https://cdn/red.jpg",
            "price": 59.9,
            "compare_at_price": 79.9,
            "in_stock": True,
            "sizes": ["S", "M"],
            "sizes_in_stock": ["S"],
            "variants": ["001", "002"],
        },
        "linen-shirt-dark-blue": {
            "item_id": "linen-shirt-dark-blue",
            "type": "top",
            "title": "Linen shirt",
            "description": "Cool & light . linen",
            "brand": "Nord",
            "tags": ["linen", "summer"],
            "active": True,
            "colour": "Dark Blue",
            "image": "https://cdn/1.jpg",
            "price": 59.9,
            "in_stock": False,
            "sizes": ["S"],
            "variants": ["003"],
        },
        "gift": {
            "item_id": "gift",
            "type": None,
            "title": "Gift bag",
            "brand": "Sued",
            "active": False,
            "price": 4,
            "in_stock": True,
        },
        "mule": {
            "item_id": "mule",
            "type": "mules",
            "title": "Mule",
            "brand": "Sued",
            "active": False,
            "price": 90,
            "in_stock": True,
            "sizes": ["38"],
            "sizes_in_stock": ["38"],
            "variants": ["004"],
        },
    }
    assert [line for line, _ in read_shopify_csv(tmp_path / "products.csv")] == [2, 5, 7, 8]


def test_newer_names_of_columns(tmp_path: Path) -> None:
    newer = {
        "Handle": "URL handle",
        "Body (HTML)": "Description",
        "Image Src": "Product image URL",
        "Variant SKU": "SKU",
        "Variant Price": "Price",
        "Variant Compare At Price": "Compare-at price",
        "Variant Inventory Qty": "Inventory quantity",
        "Variant Inventory Tracker": "Inventory tracker",
        "Variant Inventory Policy": "Continue selling when out of stock",
        "Published": "Published on online store",
        "Variant Image": "Variant image URL",
    }
    header, rest = CSV.split("\n", 1)
    names = [newer.get(name, name) for name in header.split(",")]
    assert items_of(tmp_path, ",".join(names) + "\n" + rest) == items_of(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("gift,Gift bag", ",Gift bag", r"products\.csv:7: the Handle is empty"),
        ("gift,Gift bag", "gift,", r"products\.csv:7: the first row of the product 'gift' has no Title"),
        (
            "linen-shirt,,,,,,,,,M",
            "linen-shirt,Shirt,,,,,,,,M",
            r"csv:4: the product 'linen-shirt' has two titles",
        ),
        (",61.90,", ",61\u20ac,", r"csv:4: column 'Variant Price' holds numbers such as 59\.90, got '61"),
        (",draft", ",sold", r"csv:7: Status is 'sold': expected active, draft or archived"),
        ("Mules,,false", "Mules,,maybe", r"csv:8: column 'Published' holds true and false, got 'maybe'"),
        ("3.jpg,3", "3.jpg,first", r"csv:6: column 'Image Position' holds numbers"),
        ("mule,Mule,,", "mule,Mule,", r"csv:8: row too short: 21 cells, expected 22"),
    ],
)
def test_bad_rows(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "products.csv"
    path.write_text(CSV.replace(old, new))
    with pytest.raises(DataError, match=message):
        list(read_shopify_csv(path))
    faults: list[DataError] = []
    assert list(read_shopify_csv(path, faults.append))
    assert faults


def test_other_tables_are_not_of_shopify(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("handle,title\na,b\n")
    (tmp_path / "items.jsonl").write_text('{"handle": "a"}\n')
    (tmp_path / "empty.csv").write_text("")
    assert not any(is_shopify_csv(path) for path in tmp_path.iterdir())
