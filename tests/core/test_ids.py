from pathlib import Path

import numpy as np
import pytest

from fashion_hash.core.ids import IdTable
from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.errors import BundleError, DataError, UnknownIdError

IDS = ["b", "a", "ü", "服", "a longer one", "B"]


def test_rows_and_ids_are_inverse_after_saving(tmp_path: Path) -> None:
    IdTable.of("top", IDS).save(tmp_path, "tops")
    table = IdTable.open("top", tmp_path, "tops")
    assert table.all() == IDS
    assert len(table) == len(IDS)
    assert [table.row(one) for one in IDS] == list(range(len(IDS)))
    assert table.at([3, 0]) == ["服", "b"]
    assert table.id(2) == "ü"
    assert table.rows(["a", "b"]).tolist() == [1, 0]


def test_what_is_not_there_is_not_found() -> None:
    table = IdTable.of("top", IDS)
    for wrong in ("", "c", "a longer one!", "zzz", "b\0", "\udcff"):
        assert table.find(wrong) == -1
        assert wrong not in table
    assert IdTable.of("top", []).find("a") == -1


def test_an_unknown_id_names_the_nearest_but_no_other_user() -> None:
    ids = [f"user-{number}" for number in range(3000)]
    with pytest.raises(UnknownIdError, match=r"unknown top 'usr-1234' \(nearest: 'user-1234'"):
        IdTable.of("top", ids).row("usr-1234")
    for table in (IdTable.of("user", ids), Vocabulary(ids, "user")):
        with pytest.raises(UnknownIdError, match=r"unknown user 'usr-1234': add new users") as raised:
            table.row("usr-1234")
        assert "user-1" not in str(raised.value)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["a", "b", "a"], "top id 'a' occurs twice"),
        (["a", ""], "top id '' in row 1"),
        (["a\0"], "in row 0: an id must be UTF-8"),
        (["\udcff"], "in row 0: an id must be UTF-8"),
    ],
)
def test_bad_ids_are_refused(ids: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        IdTable.of("top", ids)


def test_a_broken_file_is_a_bundle_error(tmp_path: Path) -> None:
    IdTable.of("top", IDS).save(tmp_path, "tops")
    (tmp_path / "tops.order.npy").write_bytes(b"no array")
    with pytest.raises(BundleError, match=r"tops\.order\.npy is not a readable array"):
        IdTable.open("top", tmp_path, "tops")


@pytest.mark.parametrize("shuffled", [False, True])
def test_many_are_found_like_one_by_one(shuffled: bool) -> None:
    ids = sorted(f"id-{number}" for number in range(0, 300, 3))
    table = IdTable.of("outfit", ids[::-1] if shuffled else ids)
    wanted = [f"id-{number}" for number in range(200)] + ["", "id-3-and-much-more", "id-99999999", "\udce9"]
    assert table.find_many(wanted).tolist() == [table.find(one) for one in wanted]
    assert table.find_many(["id-3"]).tolist() == [table.find("id-3")]


def test_rows_that_are_not_findable_keep_their_id() -> None:
    table = IdTable.of_encoded("top", np.array([b"b", b"a", b"b", b"c"]), np.array([False, True, True, True]))
    assert (table.find("b"), table.find("a"), table.id(0), len(table)) == (2, 1, "b", 4)
    assert table.findable.tolist() == [False, True, True, True]
    with pytest.raises(DataError, match="'b' occurs twice"):
        IdTable.of_encoded("top", np.array([b"b", b"b"]))
