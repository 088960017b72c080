"""Google Merchant feeds: as a table, as RSS and as Atom, joined by item_group_id, and damaged in every way."""

import gzip
from pathlib import Path

import pytest

from fashion_hash.data.column_types import ColumnTypes
from fashion_hash.data.feeds.google import is_google_feed, price_of, read_google_feed
from fashion_hash.data.feeds.google_xml import read_xml
from fashion_hash.errors import DataError

TSV = """id\ttitle\tdescription\tlink\timage link\tavailability\tprice\tsale price\tbrand\tgoogle product category\t\
product type\titem group id\tcolor\tsize\tgtin\tmaterial
s1\tLinen shirt\tCool & <b>light</b>\thttps://shop/s1\thttps://cdn/red.jpg\tin_stock\t59.90 EUR\t49.90 EUR\tNord\t\
Apparel & Accessories > Clothing > Shirts & Tops\tMen > Shirts\tshirt\tred\tS\t4006381333931\tlinen
b1\tBoots\t\thttps://shop/b1\thttps://cdn/b1.jpg\tout of stock\t120 EUR\t\tSued\t187\t\t\t\t42\t\t
s2\tLinen shirt\tCool & <b>light</b>\thttps://shop/s2\thttps://cdn/red2.jpg\tout_of_stock\t61.90 EUR\t\tNord\t\
Apparel & Accessories > Clothing > Shirts & Tops\tMen > Shirts\tshirt\tred\tM\t4006381333932\tlinen
s3\tLinen shirt\tCool & <b>light</b>\thttps://shop/s3\thttps://cdn/blue.jpg\tpreorder\t59.90 EUR\t\tNord\t\
Apparel & Accessories > Clothing > Shirts & Tops\tMen > Shirts\tshirt\tblue\tS\t4006381333933\tcotton
p1\tPoncho\t\thttps://shop/p1\thttps://cdn/p1.jpg\tin stock\t80.00 EUR\t\tSued\t\tWomen > Ponchos\t\t\t\t\t
"""

RSS = """<?xml version="1.0"?>
<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0">
<channel>
<title>A shop</title>
<item>
  <title>Shirt of the page</title>
  <g:title>Linen shirt</g:title>
  <g:id>s1</g:id>
  <g:image_link>https://cdn/red.jpg</g:image_link>
  <g:price>59.90 EUR</g:price>
  <g:shipping><g:country>DE</g:country><g:price>4.90 EUR</g:price></g:shipping>
  <g:availability>in_stock</g:availability>
  <g:item_group_id>shirt</g:item_group_id><g:color>red</g:color><g:size>S</g:size>
  <g:google_product_category>212</g:google_product_category>
</item>
<item>
  <g:id>s2</g:id><g:title>Linen shirt</g:title><description><![CDATA[<p>Cool &amp; light</p>]]></description>
  <g:price>59.90 EUR</g:price><g:availability>out_of_stock</g:availability>
  <g:item_group_id>shirt</g:item_group_id><g:color>red</g:color><g:size>M</g:size>
</item>
</channel>
</rss>
"""

ATOM = """<feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0">
<entry><g:id>s1</g:id><title>Linen shirt</title><summary>Cool</summary><link href="https://shop/s1"/>
<g:image_link>https://cdn/red.jpg</g:image_link><g:price>59.90 EUR</g:price></entry></feed>
"""

BOMB = """<?xml version="1.0"?>
<!DOCTYPE rss [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<rss xmlns:g="http://base.google.com/ns/1.0"><channel><item><g:id>&b;</g:id></item></channel></rss>
"""


def feed(tmp_path: Path, text: str, name: str = "feed.tsv") -> dict:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert is_google_feed(tmp_path / name)
    return {row["item_id"]: row for _, row in read_google_feed(tmp_path / name)}


def test_a_feed_as_a_table(tmp_path: Path) -> None:
    items = feed(tmp_path, TSV)
    assert list(items) == ["shirt-red", "b1", "shirt-blue", "p1"]
    assert items["shirt-red"] == {
        "item_id": "shirt-red",
        "type": "top",
        "title": "Linen shirt",
        "description": "Cool & light",
        "link": "https://shop/s1",
        "image": "https://cdn/red.jpg",
        "price": 59.9,
        "sale_price": 49.9,
        "currency": "EUR",
        "in_stock": True,
        "brand": "Nord",
        "colour": "red",
        "material": "linen",
        "sizes": ["S", "M"],
        "sizes_in_stock": ["S"],
        "variants": ["s1", "s2"],
    }
    assert (items["b1"]["type"], items["b1"]["price"], items["b1"]["in_stock"]) == ("shoe", 120, False)
    assert (items["shirt-blue"]["in_stock"], items["p1"]["type"]) == (False, "ponchos")
    assert "sizes" not in items["p1"]
    types = ColumnTypes()
    for row in items.values():
        types.see(row)
    found = types.found()
    assert [found[name] for name in ("price", "in_stock", "sizes", "currency")] == [
        "number",
        "boolean",
        "texts",
        "text",
    ]
    assert all(types.typed_row(row) == row for row in items.values())


def test_the_same_in_other_wrappings(tmp_path: Path) -> None:
    items = feed(tmp_path, TSV)
    (tmp_path / "feed.tsv.gz").write_bytes(
        gzip.compress(("\ufeff" + TSV.replace("image link", "g:image_link")).encode())
    )
    assert is_google_feed(tmp_path / "feed.tsv.gz")
    assert {row["item_id"]: row for _, row in read_google_feed(tmp_path / "feed.tsv.gz")} == items
    assert [line for line, _ in read_google_feed(tmp_path / "feed.tsv")] == [2, 3, 5, 6]


@pytest.mark.parametrize("zipped", [False, True])
def test_a_feed_in_rss(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / ("feed.xml.gz" if zipped else "feed.xml")
    path.write_bytes(gzip.compress(RSS.encode()) if zipped else RSS.encode())
    assert is_google_feed(path)
    assert list(read_google_feed(path)) == [
        (
            5,
            {
                "item_id": "shirt-red",
                "type": "top",
                "title": "Linen shirt",
                "description": "Cool & light",
                "image": "https://cdn/red.jpg",
                "price": 59.9,
                "currency": "EUR",
                "in_stock": True,
                "colour": "red",
                "sizes": ["S", "M"],
                "sizes_in_stock": ["S"],
                "variants": ["s1", "s2"],
            },
        )
    ]


def test_a_feed_in_atom(tmp_path: Path) -> None:
    item = feed(tmp_path, ATOM, "feed.xml")["s1"]
    assert item == {
        "item_id": "s1",
        "title": "Linen shirt",
        "description": "Cool",
        "link": "https://shop/s1",
        "image": "https://cdn/red.jpg",
        "price": 59.9,
        "currency": "EUR",
        "variants": ["s1"],
    }


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "59.90 EUR",
            "59,90 EUR",
            r"feed\.tsv:2: price is '59,90 EUR': expected a number and a currency, such as 59\.90",
        ),
        ("in_stock", "maybe", r"feed\.tsv:2: availability is 'maybe': expected in stock, out of stock"),
        ("\nb1\t", "\n\t", r"feed\.tsv:3: the id is empty"),
        ("\nb1\t", "\ns1\t", r"feed\.tsv:3: the id 's1' occurs twice, first in line 2"),
        ("\nb1\t", "\nb1", r"feed\.tsv:3: row too short: 15 cells, expected 16"),
        ("120 EUR", "99999999999999999999 EUR", r"feed\.tsv:3: column 'price' holds numbers such as 59\.90, got '9999"),
    ],
)
def test_bad_rows_of_a_table(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "feed.tsv"
    path.write_text(TSV.replace(old, new))
    with pytest.raises(DataError, match=message):
        list(read_google_feed(path))
    faults: list[DataError] = []
    items = [row["item_id"] for _, row in read_google_feed(path, faults.append)]
    assert len(faults) >= 1
    assert "p1" in items  # what follows is read


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, r"feed\.xml:2: DTDForbidden: feeds need no document type and no entities"),
        (BOMB.replace('"aaaaaaaaaa"', 'SYSTEM "file:///etc/passwd"'), r"feed\.xml:2: DTDForbidden"),
        (RSS.replace("</g:id><g:title>", "</g:title>"), r"feed\.xml:17: not well-formed XML: mismatched tag \(column"),
        (RSS[:-200], r"feed\.xml:\d+: not well-formed XML"),
        (RSS.replace("<g:id>s2", "<g:id>s1"), r"feed\.xml:16: the id 's1' occurs twice, first in line 5"),
        (RSS.replace("<g:id>s2</g:id>", ""), r"feed\.xml:16: the id is empty"),
        (RSS.replace("<channel>", "<a>" * 200), r"feed\.xml:3: elements are nested more than 100 deep"),
        (RSS.replace("<title>A shop", "<title>&nbsp;"), r"feed\.xml:4: not well-formed XML: undefined entity"),
    ],
)
def test_bad_xml(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "feed.xml").write_text(text)
    with pytest.raises(DataError, match=message):
        list(read_google_feed(tmp_path / "feed.xml"))


def test_broken_files(tmp_path: Path) -> None:
    (tmp_path / "feed.xml.gz").write_bytes(gzip.compress(RSS.encode() * 3)[:-10])
    with pytest.raises(DataError, match=r"feed\.xml\.gz"):
        list(read_google_feed(tmp_path / "feed.xml.gz"))
    (tmp_path / "feed.xml").write_bytes(b"\xff" + RSS.encode())
    with pytest.raises(DataError, match=r"feed\.xml:1: not well-formed XML"):
        list(read_google_feed(tmp_path / "feed.xml"))


def test_other_files_are_no_feeds(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("id,title,price\na,b,3\n")
    (tmp_path / "map.xml").write_text("<urlset/>")
    (tmp_path / "picture.jpg").write_bytes(b"\xff\xd8")
    (tmp_path / "empty.tsv").write_text("")
    assert not any(is_google_feed(path) for path in tmp_path.iterdir())


def test_xml_is_read_an_item_at_a_time(tmp_path: Path) -> None:
    item = RSS[RSS.index("<item>") : RSS.index("</item>") + 7].replace("<g:item_group_id>shirt</g:item_group_id>", "")
    head = RSS[: RSS.index("<item>")]
    path = tmp_path / "feed.xml"
    path.write_text(head + "".join(item.replace("s1", f"s{number}") for number in range(3000)) + "</oops>")
    rows = read_xml(path)
    assert [next(rows)[1]["id"] for _ in range(1000)] == [f"s{number}" for number in range(1000)]
    with pytest.raises(DataError, match="mismatched tag"):  # what stands at the end was not looked at before
        list(rows)


def test_prices() -> None:
    assert price_of("price", "EUR 59.90") == (59.9, "EUR")
    assert price_of("price", "60") == (60, None)
    assert price_of("price", 59.9) == (59.9, None)
    assert price_of("price", " ") == (None, None)
    for bad in ("EUR", "1 EUR EUR", "-5 EUR", "EUR 5 USD", "1.234,50 EUR", "free"):
        with pytest.raises(DataError, match="expected a number and a currency"):
            price_of("price", bad)
