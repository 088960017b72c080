"""Which tables a folder holds: told by the names of columns in many spellings, else by what is in them."""

import pytest

from fashion_hash.config.shop import ShopConfig
from fashion_hash.data.load import load_dataset
from fashion_hash.data.shop.tables import forms
from fashion_hash.data.shop.tables.names import SPELLINGS, plain_name, recognise_columns
from fashion_hash.data.shop.tables.recognise import find_tables, kind_of
from fashion_hash.errors import ConfigError, DataError


@pytest.mark.parametrize(
    ("columns", "kind", "mapped"),
    [
        ("SKU;Product Category;Name", "items", {"item_id": "SKU", "type": "Product Category", "title": "Name"}),
        ("id;category;title;gender", "items", {"item_id": "id", "type": "category", "title": "title"}),
        ("article_id;product_type_name;prod_name", "items", {"item_id": "article_id", "type": "product_type_name"}),
        ("articleId;price", "details", {"item_id": "articleId"}),
        ("t_dat;customer_id;article_id;price", "interactions", {"timestamp": "t_dat", "item_id": "article_id"}),
        ("uid;product_id;event_type;ts", "interactions", {"user_id": "uid", "kind": "event_type", "timestamp": "ts"}),
        ("user;item;type", "interactions", {"kind": "type"}),
        ("order_no;x", "", {}),
        ("id;customer;products", "outfits", {"outfit_id": "id", "user_id": "customer", "item_ids": "products"}),
        ("look_id;sku", "outfits", {"outfit_id": "look_id", "item_id": "sku"}),
        ("order_id;sku;quantity", "outfits", {"outfit_id": "order_id", "item_id": "sku"}),
        ("order_id;customer_id;created_at", "events", {"outfit_id": "order_id", "timestamp": "created_at"}),
        ("user_id;outfit_id;action", "events", {"kind": "action"}),
        ("customer_id;language;city", "users", {}),
        ("id;name;email", "users", {}),
        ("colour;hex", "", {}),
    ],
)
def test_kinds_by_names(columns, kind, mapped):
    names = columns.split(";")
    assert kind_of(names) == kind
    if mapped:
        known = recognise_columns(kind, names)
        assert {ours: known.get(ours) for ours in mapped} == {ours: (theirs,) for ours, theirs in mapped.items()}


def test_no_spelling_means_two_columns():
    seen = {}
    for ours, spellings in SPELLINGS.items():
        for spelling in spellings:
            assert spelling == plain_name(spelling)
            assert seen.setdefault(spelling, ours) == ours


def write(folder, **tables):
    for name, lines in tables.items():
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return folder


ITEMS = ["item_id,type", "t1,top", "t2,top", "b1,bottom"]


def test_kinds_by_content(tmp_path):
    write(
        tmp_path,
        items=ITEMS,
        worn=["nr;von;stuecke", "1;ann;t1 b1", "2;bob;t2 b1"],
        preise=["artno;preis", "t1;5", "b1;6"],
        wetter=["tag;grad", "1;20"],
    )
    tables = {table.path.name: table for table in find_tables(tmp_path).tables}
    assert tables["worn.csv"].kind == "outfits"
    assert tables["worn.csv"].mapped["item_ids"] == ("stuecke",)
    assert tables["preise.csv"].kind == "details"
    assert tables["preise.csv"].mapped == {"item_id": ("artno",), "price": ("preis",)}
    assert tables["wetter.csv"].kind == ""
    dataset = load_dataset("shop", tmp_path, slots=("top", "bottom"))
    assert dataset.content.details["top"]["t1"] == {"price": 5}
    assert dataset.users.ids == ("everybody",), "von is not known as a user"
    config = ShopConfig(columns={"worn.csv": {"user_id": "von", "outfit_id": "nr"}})
    assert load_dataset("shop", tmp_path, slots=("top", "bottom"), shop=config).users.ids == ("ann", "bob")


@pytest.mark.parametrize("mark", [",", " ", "|", "; "])
@pytest.mark.parametrize("header", ["look_id;Kunde;Artikel", "nr;Kunde;Artikel"])
def test_a_name_of_one_id_over_cells_of_several(tmp_path, mark, header):
    rows = [f'{at};k{at};"t{at}{mark}b1"' for at in (1, 2)]
    write(tmp_path, items=ITEMS, worn=[header, *rows])
    (worn,) = find_tables(tmp_path).of("outfits")
    assert worn.mapped["item_ids"] == ("Artikel",)
    assert worn.mapped["user_id"] == ("Kunde",)
    dataset = load_dataset("shop", tmp_path, slots=("top", "bottom"))
    assert dataset.splits["train"].positives.items.tolist() == [[0, 0], [1, 0]]


def test_an_id_with_a_blank_stays_one_id(tmp_path):
    items = ["item_id,type", "t 1,top", "t 2,top", "b 1,bottom"]
    write(tmp_path, items=items, clicks=["user,item", "ann,t 1", "ann,b 1"])
    (clicks,) = find_tables(tmp_path).of("interactions")
    assert clicks.mapped["item_id"] == ("item",)


def test_titles_in_a_second_table_are_details(tmp_path):
    write(
        tmp_path, items=ITEMS, names=["sku,title", "t1,Hemd"], outfits=["outfit_id,user_id,item_ids", "1,a,t1 b1"] * 1
    )
    dataset = load_dataset("shop", tmp_path, slots=("top", "bottom"))
    assert dataset.content.details["top"]["t1"] == {"title": "Hemd"}


def test_types_by_content(tmp_path):
    items = [f"{kind[0]}{at},{kind},{('red', 'blue')[at % 2]}" for kind in ("shirt", "jeans") for at in range(6)]
    outfits = [f"o{at},ann,s{at % 6} j{at // 2 % 6}" for at in range(12)]
    write(tmp_path, items=["sku,what,colour", *items], outfits=["outfit_id,user_id,item_ids", *outfits])
    dataset = load_dataset("shop", tmp_path, shop=ShopConfig(types={"jeans": "bottom"}))
    assert dataset.slots == ("shirt", "bottom")
    assert dataset.content.details["shirt"]["s0"] == {"colour": "red"}


def test_columns_can_be_left_out(tmp_path):
    items = [f"{line},{'vector' if at == 0 else '1 2 3'}" for at, line in enumerate(ITEMS)]
    write(tmp_path, items=items, outfits=["outfit_id,user_id,item_ids", "1,a,t1 b1"])
    slots = ("top", "bottom")
    assert load_dataset("shop", tmp_path, slots=slots).content.details["top"]["t1"] == {"vector": "1 2 3"}
    config = ShopConfig(leave_out=("vector",))
    assert load_dataset("shop", tmp_path, slots=slots, shop=config).content.details["top"] == {}
    with pytest.raises(
        ConfigError, match=r"data\.shop\.leave_out: no table has a column 'vectors' \(nearest: 'vector'"
    ):
        load_dataset("shop", tmp_path, slots=slots, shop=ShopConfig(leave_out=("vectors",)))


def test_another_form_is_a_line_in_a_table(tmp_path, monkeypatch):
    """A form of its own is recognised by the beginning of the file, and outfits may name the variants of its items."""

    def read(path, report):
        yield 1, {"item_id": "shirt", "type": "top", "variants": ["shirt-S", "shirt-M"]}
        yield 2, {"item_id": "jeans", "type": "bottom", "title": "Jeans"}

    form = forms.ItemForm(lambda path: path.suffix == ".feed", read)
    monkeypatch.setitem(forms.FORMS, "feed", form)
    (tmp_path / "all.feed").write_text("x")
    write(tmp_path, outfits=["outfit_id,user_id,item_ids", "1,a,shirt-M jeans", "2,a,shirt-S shirt-M jeans"])
    dataset = load_dataset("shop", tmp_path, slots=("top", "bottom"))
    assert dataset.splits["train"].positives.items.tolist() == [[0, 0], [0, 0]]
    named = load_dataset(
        "shop", tmp_path, slots=("top", "bottom"), shop=ShopConfig(items="all.feed", outfits="outfits.csv")
    )
    assert named.fingerprint == dataset.fingerprint


GOOGLE = """id	title	image_link	product_type	item_group_id	color	size	availability	price
g1-s	Linen shirt	https://cdn/x.jpg	Clothing > Tops	g1	white	S	in stock	30.00 EUR
g1-m	Linen shirt	https://cdn/x.jpg	Clothing > Tops	g1	white	M	out of stock	30.00 EUR
g2	Jeans	https://cdn/y.jpg	Clothing > Trousers		blue		in stock	50.00 EUR
"""
SHOPIFY = """Handle,Title,Type,Option1 Name,Option1 Value,Variant SKU,Variant Price
linen,Linen shirt,Tops,Size,S,g1-s,30
linen,,,,M,g1-m,30
jeans,Jeans,Trousers,Size,32,g2,50
"""


@pytest.mark.parametrize(("name", "text"), [("feed.tsv", GOOGLE), ("products_export.csv", SHOPIFY)])
def test_product_feeds_are_items(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    write(
        tmp_path, bought=["order_id,customer_id,sku", "1,a,g1-s", "1,a,g2", "2,b,g1-m", "2,b,g2", "3,b,g1-m", "3,b,g2"]
    )
    dataset = load_dataset("shop", tmp_path)
    assert len(dataset.slots) == 2
    assert dataset.users.ids == ("a", "b")
    assert dataset.splits["train"].positives.items.tolist() == [[0, 0]] * 3
    details = [row for of_type in dataset.content.details.values() for row in of_type.values()]
    assert {row["title"] for row in details} == {"Linen shirt", "Jeans"}
    assert any(row.get("sizes") == ["S", "M"] for row in details)


def test_one_table_in_two_forms(tmp_path):
    write(tmp_path, items=ITEMS, outfits=["outfit_id,user_id,item_ids", "1,a,t1 b1"])
    (tmp_path / "outfits.tsv").write_text("outfit_id\tuser_id\titem_ids\n1\ta\tt1 b1\n")
    with pytest.raises(DataError, match=r"outfits\.csv and outfits\.tsv seem to be one table in two forms"):
        load_dataset("shop", tmp_path)
    config = ShopConfig(items="items.csv", outfits="outfits.tsv")
    assert len(load_dataset("shop", tmp_path, slots=("top", "bottom"), shop=config).outfits) == 1
