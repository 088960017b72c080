"""A shop's tables in German, French and Spanish are recognised as English ones are, and their cells typed."""

from pathlib import Path

import pytest

from fashion_hash.commands.data.init import main as init
from fashion_hash.config.shop import ShopConfig
from fashion_hash.data.load import load_dataset
from fashion_hash.data.shop.read import make_dataset, read_tables
from fashion_hash.data.shop.tables.names import FURTHER, SPELLINGS, map_columns, plain_name, recognise_columns
from fashion_hash.data.shop.tables.recognise import find_tables
from fashion_hash.errors import DataError

# items, orders, their lines; and a date of each item and order
SHOPS = {
    "german": (
        "Artikel-Nr.;Kategorie;Bezeichnung;Beschreibung;Bild;Preis;Farbe;Marke;Größe;Lagernd;Eingeführt",
        "Bestellnummer;Kundennummer;Bestelldatum",
        "Bestellnummer;Artikel-Nr.;Menge",
        ("ja", "nein"),
        "{day:02d}.03.2025",
    ),
    "french": (
        "Référence;Catégorie;Libellé;Descriptif;URL image;Prix;Couleur;Marque;Taille;En stock;Lancé",
        "N° commande;Code client;Date commande",
        "N° commande;Référence;Quantité",
        ("oui", "non"),
        "{day:02d}/03/2025",
    ),
    "spanish": (
        "Referencia;Categoría;Título;Descripción;Imagen;Precio;Color principal;Marca;Talla;Disponibilidad;Lanzado",
        "Nº pedido;ID cliente;Fecha pedido",
        "Nº pedido;Referencia;Cantidad",
        ("sí", "no"),
        "{day:02d}-03-2025",
    ),
}


def write_shop(folder: Path, language: str, flag: str | None = None, last_day: int = 28) -> Path:
    folder.mkdir()
    items, orders, lines, (yes, no), date = SHOPS[language]
    rows = [items]
    for number in range(12):
        item_type = ("Hose", "Hemd")[number % 2]
        cells = (
            f"{number:03d}",
            item_type,
            f"{item_type} {number}",
            "lang, und breit",
            f"{number}.jpg",
            "59,90",
            "blau",
        )
        sizes, sale = ("S|M", "M|L", "L")[number % 3], flag if flag and number == 5 else (yes, no)[number % 2]
        rows.append(";".join([*cells, "Zara", sizes, sale, date.format(day=1 + number * (last_day - 1) // 11)]))
    (folder / "a.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    bought = [f"o{order};k{order % 3};{date.format(day=1 + order)}" for order in range(20)]
    (folder / "b.csv").write_text("\n".join([orders, *bought]) + "\n", encoding="utf-8")
    pairs = [f"o{order};{item:03d};1" for order in range(20) for item in (order % 12, (order + 1) % 12)]
    (folder / "c.csv").write_text("\n".join([lines, *pairs]) + "\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("language", SHOPS)
def test_a_shop_of_another_language(tmp_path: Path, language: str) -> None:
    root = write_shop(tmp_path / "shop", language)
    tables = find_tables(root)
    assert [table.kind for table in tables.tables] == ["items", "events", "outfits"]
    assert list(tables.tables[0].mapped) == [
        *("item_id", "type", "title", "description", "image", "price", "colour", "brand", "size", "in_stock"),
    ]
    dataset = load_dataset("shop", root)
    shirt = dataset.content.details["Hemd"]["001"]
    new = next(name for name in shirt if name.startswith(("Eing", "Lanc", "Lanz")))
    assert shirt == {
        "title": "Hemd 1",
        "description": "lang, und breit",
        "price": 59.9,
        "colour": "blau",
        "brand": "Zara",
        "size": ["M", "L"],
        "in_stock": False,
        new: "2025-03-03",
    }
    facts = dataset.split("train").facts
    assert facts is not None
    assert facts.times is not None
    assert len(set(facts.times.tolist())) == 20
    assert sorted(dataset.users.ids) == ["k0", "k1", "k2"]


def test_init_names_the_columns_and_writes_them_down(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_shop(tmp_path / "laden", "german", flag="vielleicht")
    assert init(["laden"]) == 0
    out = capsys.readouterr().out
    assert "outfit_id = Bestellnummer, item_id = Artikel-Nr.); not used: Menge" in out
    assert "in_stock (text)" in out
    assert "Eingeführt (date)" in out
    assert "size (texts)" in out
    said = (
        "note      column 'in_stock' stays text: 11 of 12 cells are true and false, but 'vielleicht' (a.csv:7) is not\n"
    )
    assert out.count(said) == out.count("stays text") == 1
    config = (tmp_path / "laden.yaml").read_text(encoding="utf-8")
    assert "colour: Farbe" in config
    assert "item_id: Artikel-Nr." in config


def test_a_date_that_may_be_two_stays_text_and_is_named(tmp_path: Path) -> None:
    root = write_shop(tmp_path / "shop", "french", last_day=12)
    notes = [str(note) for note in load_dataset("shop", root).notes]
    assert notes == [
        "column 'Lancé' stays text: its cells are dates, and nothing says which number is the day",
    ]


def test_a_configuration_that_names_files_keeps_the_names_of_further_columns(tmp_path: Path) -> None:
    root = write_shop(tmp_path / "shop", "german")
    config = ShopConfig(items=("a.csv",), outfits=("c.csv",), events=("b.csv",), columns={"a.csv": {"cost": "Preis"}})
    with pytest.raises(ValueError, match="unknown column 'cost'"):
        read_tables(root, config)
    config = config.model_copy(update={"columns": {"a.csv": {"price": "Preis"}}})
    details = make_dataset(read_tables(root, config), ("Hose", "Hemd")).content.details["Hose"]["000"]
    assert details["price"] == 59.9
    assert details["Farbe"] == "blau"


def test_a_table_keeps_a_column_that_is_called_like_one_of_ours() -> None:
    assert recognise_columns("items", ["sku", "Preis", "price"], further=True) == {"item_id": ("sku",)}
    assert map_columns("items", Path("a.csv"), ["sku", "Preis"], ShopConfig()) == {"item_id": ("sku",)}


def test_no_further_name_means_two_columns() -> None:
    seen: dict[str, str] = {}
    for ours, spellings in FURTHER.items():
        for spelling in spellings:
            assert spelling == plain_name(spelling)
            assert seen.setdefault(spelling, ours) == ours
    of_items = {
        spelling for name in ("item_id", "type", "title", "description", "image") for spelling in SPELLINGS[name]
    }
    assert not of_items & set(seen)


def test_a_bad_cell_is_named_by_its_file_and_line_whichever_table_it_is_in(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("item_id,type,weight_g\nt1,top,5\nt2,top,6\nt2,top,7\nb1,bottom,5\n")
    (tmp_path / "looks.csv").write_text("outfit_id,user_id,item_ids\no1,u1,t1 b1\n")
    (tmp_path / "stock.csv").write_text("item_id,left\nb1,5\n\nt1,4\nt2,Infinity\n")
    (tmp_path / "texts.jsonl").write_text('{"item_id": "t1", "tags": {"a": 1}}\n{"item_id": "b1", "tags": ["a"]}\n')
    errors: list[DataError] = []
    read_tables(tmp_path, ShopConfig(), errors.append)
    assert [str(error) for error in errors] == [
        f"{tmp_path / 'texts.jsonl'}:1: item 't1': column 'tags' cannot hold {{'a': 1}} (dict): give a text, a finite "
        "number, true or false, a date, or a list of texts or of numbers",
        f"{tmp_path / 'stock.csv'}:5: item 't2': column 'left' holds numbers such as 59.90, got 'Infinity'",
    ]
