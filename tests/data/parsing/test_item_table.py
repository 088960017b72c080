"""A table of items beside a data set says so when none of its rows is about it."""

from pathlib import Path

from fashion_hash.data.parsing.item_table import ItemTable


def test_a_table_of_other_items_complains(tmp_path: Path) -> None:
    table = ItemTable(tmp_path / "items.csv", {"1", "2"})
    assert table.complaint == "", "nothing was asked yet"
    assert not any(table.names(f"SKU-{number}") for number in range(9))
    assert "none of the 9 rows of" in table.complaint
    assert "'SKU-0', 'SKU-1'" in table.complaint
    assert "the 2 items of the data set are called '1', '2'" in table.complaint
    assert table.names("1")
    assert table.complaint == ""
