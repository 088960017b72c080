"""Files as people keep them: gzipped, in UTF-16, or a folder in place of a file; never passed over in silence."""

import gzip
from pathlib import Path

import pytest

import fashion_hash as fh
from fashion_hash.errors import DataError
from tests.worlds import catalogues

FILES = {
    "ifashion_kgin": {
        "train.txt": "0 0 1\n1 1 2\n2 2 0\n",
        "test.txt": "0 2\n1 0\n",
        "kg_final.txt": "0 0 3\n0 0 4\n1 0 3\n1 0 5\n2 0 6\n2 0 4\n3 1 7\n4 1 8\n5 1 8\n6 1 7\n",
    },
    "hfgn": {
        "train_uo.txt": "0 0 1\n1 1 2\n2 2 0\n",
        "test_uo.txt": "0 2\n1 0\n",
        "fltb_train_outfit_item.txt": "0 0 1\n1 0 2\n2 3 1\n",
        "fltb_item_cate2.txt": "0 0\n1 1\n2 1\n3 0\n",
    },
    "pog": {
        "outfit_data.txt": "o1,a;b\no2,a;c\n",
        "user_data.txt": "ada,a;b,o1\nbob,c,o2\n",
        "item_data.txt": "a,7,//x/1.jpg,shirt, blue\nb,8,//x/2.jpg,jeans\nc,8,//x/3.jpg,skirt\n",
    },
    "outfit_datasets": {
        "items.json": '[["t0", "t1"], ["b0", "b1"]]',
        "train_pos": "0,2,0,0,0,1\n1,2,1,1,0,1\n",
        "train_neg": "0,2,0,1,0,1\n1,2,1,0,0,1\n",
        "test_pos.csv": "0,2,1,1,0,1\n",
    },
    "iqon3000": {"train.csv": "1,10,20\n2,11,21\n", "valid.csv": "1,11,20,21\n", "test.csv": "2,10,20,21\n"},
    "recbole": {
        "r.inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\ta\t5\t8812509\n2\tb\t3\t8812510\n",
        "r.item": "item_id:token\ttitle:token_seq\tprice:float\na\tToy Story\t2.5\nb\tHeat\t\n",
        "r.user": "user_id:token\tage:token\n2\t24\n1\t30\n",
    },
}
CATALOGUES = {
    "polyvore_outfits": catalogues.polyvore_outfits,
    "maryland": catalogues.maryland,
    "shift15m": catalogues.shift15m,
    "hm": catalogues.hm,
}
HEADER = "user_id:token\titem_id:token\ttimestamp:float"
NAMES = [*FILES, *CATALOGUES]


def world(name: str, folder: Path) -> Path:
    """A small data set of a format."""
    if name in CATALOGUES:
        CATALOGUES[name](folder)
        return folder
    folder.mkdir(exist_ok=True)
    for file, text in FILES[name].items():
        (folder / file).write_text(text)
    return folder


def texts(folder: Path) -> list[Path]:
    """The files of a data set but its pictures."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix not in {".jpg", ".mdb"})


def zipped(path: Path) -> Path:
    """A file replaced by NAME.gz."""
    copy = path.with_name(f"{path.name}.gz")
    copy.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    return copy


@pytest.mark.parametrize("name", NAMES)
def test_gzipped_files_say_the_same(tmp_path: Path, name: str) -> None:
    folder = world(name, tmp_path / name)
    plain = fh.load_dataset(name, folder)
    for path in texts(folder):
        zipped(path)
    dataset = fh.load_dataset(name, folder)
    assert dataset.fingerprint == plain.fingerprint
    assert dataset.splits.keys() == plain.splits.keys()
    assert dataset.content.details == plain.content.details
    assert {split: part.labelled is None for split, part in dataset.splits.items()} == {
        split: part.labelled is None for split, part in plain.splits.items()
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_in_place_of_a_file_is_refused(tmp_path: Path, name: str) -> None:
    for number, path in enumerate(texts(world(name, tmp_path / "plain"))):
        folder = world(name, tmp_path / str(number))
        other = folder / path.relative_to(tmp_path / "plain")
        other.unlink()
        other.mkdir()
        with pytest.raises(DataError) as raised:
            fh.load_dataset(name, folder)
        assert other.name in str(raised.value)
        assert "folder" in str(raised.value) or "directory" in str(raised.value)


@pytest.mark.parametrize("name", ["ifashion_kgin", "hfgn", "pog", "outfit_datasets"])
def test_utf_16_is_named_once(tmp_path: Path, name: str) -> None:
    for number, path in enumerate(texts(world(name, tmp_path / "plain"))):
        folder = world(name, tmp_path / str(number))
        other = folder / path.name
        other.write_bytes(other.read_text().encode("utf-16"))
        with pytest.raises(DataError, match="UTF-16 text: save the file as UTF-8") as raised:
            fh.load_dataset(name, folder)
        assert str(raised.value).startswith(str(other))


def test_a_gzip_that_is_cut_off_is_named(tmp_path: Path) -> None:
    folder = world("ifashion_kgin", tmp_path / "cut")
    copy = zipped(folder / "train.txt")
    copy.write_bytes(copy.read_bytes()[:-12])
    with pytest.raises(DataError, match=r"train.txt.gz: broken gzip file: .*; fetch it again"):
        fh.load_dataset("ifashion_kgin", folder)


def test_the_header_of_pog_is_no_outfit(tmp_path: Path) -> None:
    folder = world("pog", tmp_path / "pog")
    plain = fh.load_dataset("pog", folder)
    for file, header in (
        ("outfit_data.txt", "outfit_id,item_ids"),
        ("user_data.txt", "user_id,item_ids,outfit_id"),
        ("item_data.txt", "item_id,cate_id,pic_url,title"),
    ):
        (folder / file).write_text(f"{header}\n{(folder / file).read_text()}")
    dataset = fh.load_dataset("pog", folder)
    assert (dataset.fingerprint, dataset.notes) == (plain.fingerprint, plain.notes)


def test_items_without_a_category_are_counted(tmp_path: Path) -> None:
    folder = world("hfgn", tmp_path / "hfgn")
    (folder / "fltb_item_cate2.txt").write_text("0 0\n1 1\n")  # cut off after two of four items
    [note] = [note for note in fh.load_dataset("hfgn", folder).notes if "without a category" in note.what]
    assert (note.count, note.examples) == (2, ("2", "3"))
    (folder / "fltb_item_cate2.txt").write_text("\n")
    with pytest.raises(DataError, match=r"fltb_item_cate2\.txt holds no categories"):
        fh.load_dataset("hfgn", folder)


@pytest.mark.parametrize(
    ("name", "file", "text", "message"),
    [
        (
            "recbole",
            "r.inter",
            f"{HEADER}\n1\ta\t1e300\n",
            "r.inter:2: timestamp is '1e300'",
        ),
        (
            "recbole",
            "r.inter",
            f"{HEADER}\n1\ta\t{10**23}\n",
            "r.inter:2: timestamp is",
        ),
        ("recbole", "r.inter", "", "r.inter is empty: expected a header"),
        ("recbole", "r.inter", "user_id:token,item_id:token\n1,a\n", "r.inter:1: no tabs between the columns"),
        (
            "recbole",
            "r.item",
            'item_id:token\ttitle:token\na\t"Toy" Story\n',
            "r.item:2: a cell begins with a",
        ),
        (
            "outfit_datasets",
            "train_pos",
            "user,size,item_1,type_1\n0,1,0,0\n",
            "train_pos:1: a header: remove",
        ),
        ("outfit_datasets", "train_pos", "0;1;0;0\n", "train_pos:1: 1 column, .* separated by semicolons"),
        ("maryland", "fashion_compatibility_prediction.txt", "", "fashion_compatibility_prediction.txt is empty"),
        (
            "shift15m",
            "iqon_outfits.json",
            '[{"set_id": "1", "it',
            "iqon.*:1: .* file ends within a value: it is cut off",
        ),
    ],
)
def test_messages_say_what_to_do(tmp_path: Path, name: str, file: str, text: str, message: str) -> None:
    folder = world(name, tmp_path / name)
    [path] = folder.rglob(file)
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        fh.load_dataset(name, folder)
