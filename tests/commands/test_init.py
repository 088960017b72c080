"""`fashion-hash init`: a made shop, from its five tables to a page of outfits in two commands."""

import csv
import shutil

import pytest

from fashion_hash.cli import main
from fashion_hash.config.experiment import load_config
from fashion_hash.data.sample.shop import TABLES, ShopSize, make_shop
from fashion_hash.errors import ConfigError, DataError

SMALL = ShopSize(items=60, users=8, looks_per_user=12)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("made") / "My shop"
    make_shop(root, SMALL)
    return root


@pytest.fixture
def workplace(made, tmp_path, monkeypatch):
    (tmp_path / "My shop").symlink_to(made)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_walk_to_a_page_of_outfits(workplace, capsys):
    assert main(["init", "My shop"]) == 0
    said = capsys.readouterr().out
    assert "looks.jsonl.gz: outfits (outfit_id = look_id, user_id = customer_id, item_ids = pieces" in said
    assert "products.csv: items (item_id = sku, type = category, title = name, description)" in said
    assert "stock.tsv: details (item_id = sku)" in said
    assert "customers.csv: users" in said
    assert "clicks.csv: not used, because users have outfits" in said
    assert "price (number), in_stock (true or false), sizes (texts)" in said
    assert "slots     top, bottom, shoe, bag, jacket" in said
    assert "missing   pictures" in said
    assert said.endswith(
        "fashion-hash train My-shop.yaml\n  fashion-hash build-index runs/My-shop --page outfits.html\n"
    )
    config = load_config("My-shop.yaml")
    assert config.data.shop.columns["looks.jsonl.gz"]["item_ids"] == "pieces"
    assert main(["train", "My-shop.yaml", "--set", "train.epochs=1"]) == 0
    assert main(["build-index", "runs/My-shop", "--page", "outfits.html"]) == 0
    said = capsys.readouterr().out
    assert "96 outfits indexed" in said
    assert "L0000" in said, "outfits keep their own ids"
    page = (workplace / "outfits.html").read_text()
    assert "C-0001" in page
    assert "L0000" in page


def test_a_configuration_is_never_overwritten(workplace, capsys):
    (workplace / "My-shop.yaml").write_text("mine")
    assert main(["init", "My shop"]) == 2
    assert "My-shop.yaml exists: name another file with --out, or replace it with --force" in capsys.readouterr().err
    assert (workplace / "My-shop.yaml").read_text() == "mine"
    assert main(["init", "My shop", "--force", "--slots", "top,bottom"]) == 0
    assert load_config("My-shop.yaml").data.slots == ("top", "bottom")


def test_a_column_can_be_named(workplace, tmp_path, capsys):
    shop = tmp_path / "odd"
    shop.mkdir()
    (shop / "items.csv").write_text("art,type\nt1,top\nb1,bottom\n")
    (shop / "outfits.csv").write_text("outfit_id,user_id,item_ids\n" + "".join(f"o{n},u,t1 b1\n" for n in range(9)))
    assert main(["init", "odd"]) == 2
    assert "odd holds no table of items" in capsys.readouterr().err
    assert main(["init", "odd", "--column", "item_id=artt"]) == 2
    assert "no table has a column 'artt' (nearest: 'art')" in capsys.readouterr().err
    assert main(["init", "odd", "--column", "item_id"]) == 2
    assert "--column item_id: write it as NAME=COLUMN" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.yaml"))
    assert main(["init", "odd", "--column", "item_id=art"]) == 0
    assert "id: {hide: 0.1}" in (tmp_path / "odd.yaml").read_text(), "without words an item is its id"


def test_pictures_become_features(workplace, made, capsys):
    pytest.importorskip("skimage")
    from PIL import Image

    shop = workplace / "pictured"
    shutil.copytree(made, shop)
    (shop / "photos").mkdir()
    with open(shop / "products.csv", encoding="utf-8") as stream:
        products = list(csv.DictReader(stream))
    for at, product in enumerate(products[1:]):
        picture = Image.new("RGB", (40, 40), "white")
        picture.paste((at * 4, 90, 200 - at * 3), (8, 8, 24, 32))
        picture.save(shop / "photos" / f"{product['sku']}.png")
    assert main(["init", "pictured"]) == 0
    said = capsys.readouterr().out
    assert "pictures  59 in pictured/photos" in said
    assert f"items without a picture in pictured/photos (1): {products[0]['sku']}" in said
    config = load_config("pictured.yaml")
    assert config.modalities == ("image", "text")
    assert config.image.encoder == "descriptors"
    assert main(["train", "pictured.yaml", "--set", "train.epochs=1"]) == 0
    assert main(["init", "pictured", "--force"]) == 0, "the store of features is not a folder of pictures"
    assert "pictures  59 in pictured/photos" in capsys.readouterr().out


def test_types_that_never_meet_are_named(workplace, tmp_path, capsys):
    shop = tmp_path / "lonely"
    shop.mkdir()
    (shop / "items.csv").write_text("item_id,type\nt1,top\nb1,bottom\nl1,lamp\nx1,hat\n")
    outfits = "".join(f"o{n},u,t1 b1\n" for n in range(9)) + "p1,u,l1\np2,u,l1\n"
    (shop / "outfits.csv").write_text("outfit_id,user_id,item_ids\n" + outfits)
    assert main(["init", "lonely"]) == 0
    said = capsys.readouterr().out
    assert "lamp has no slot: in 2 outfits, never with another type" in said
    assert "hat has no slot: in no outfit" in said
    assert "outfits without two items of the slots' types, left out (2): p1, p2" in said
    (shop / "outfits.csv").write_text("outfit_id,user_id,item_ids\np1,u,l1\np2,u,t1\n")
    assert main(["init", "lonely", "--force"]) == 2
    assert "no two item types occur together often enough for slots (" in capsys.readouterr().err
    (shop / "outfits.csv").unlink()
    for clicks in ("u,t1\n", "u,t1\nv,t1\nv,b1\n"):
        (shop / "clicks.csv").write_text("user_id,item_id\n" + clicks)
        assert main(["init", "lonely", "--force"]) == 2
        assert "map the orders (data.shop.columns, order_id), or add a table" in capsys.readouterr().err


def test_the_made_shop_is_the_same_for_the_same_seed(made, tmp_path):
    make_shop(tmp_path / "again", SMALL)
    assert {name: (tmp_path / "again" / name).read_bytes() for name in TABLES} == {
        name: (made / name).read_bytes() for name in TABLES
    }
    make_shop(tmp_path / "again", SMALL, seed=1, force=True)
    assert (tmp_path / "again/looks.jsonl.gz").read_bytes() != (made / "looks.jsonl.gz").read_bytes()


def test_a_made_shop_never_replaces_other_files(made, tmp_path):
    with pytest.raises(DataError, match=r"holds a made shop: name another folder, or replace it with --force"):
        make_shop(made, SMALL)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match=r"holds other files \(notes\.txt\): name another folder"):
        make_shop(tmp_path, SMALL, force=True)
    with pytest.raises(ConfigError, match=r"items of a made shop must be at least 25, got 3"):
        ShopSize(items=3)


def test_make_sample_makes_it(tmp_path, capsys):
    sizes = ["--items", "60", "--users", "8", "--outfits-per-user", "5"]
    assert main(["make-sample", "--shop", "--out", str(tmp_path / "shop"), *sizes]) == 0
    said = capsys.readouterr().out
    assert "looks.jsonl.gz: 40 rows" in said
    assert f"next: fashion-hash init {tmp_path / 'shop'}" in said
