"""The section of a configuration that says how a shop's own tables are to be read."""

from __future__ import annotations

from pydantic import Field, field_validator

from fashion_hash.config.sections import NotNegative, Section

Columns = dict[str, str | tuple[str, ...]]
"""Our name of a column to the name that a table gives it; item_ids may be several columns."""


class ShopConfig(Section):
    """Which tables a shop has, and what their columns are called.

    File names are relative to `data.root`. Without any file the tables are recognised by their columns, as
    `fashion-hash init` does.

    Attributes:
        items: tables of items: item_id, type, title, description, image, and any further columns.
        details: tables of further columns of the items, by item_id.
        outfits: tables of outfits: outfit_id, user_id, item_ids, split, timestamp, weight. They may have one row per
            item (outfit_id, item_id), and item_ids may be several columns, one a slot.
        events: tables of what users did with outfits: user_id, outfit_id, kind, timestamp, weight.
        interactions: tables of what users did with single items: user_id, item_id, kind, timestamp, weight, order_id.
            Outfits are formed from them where no table says which outfits users like.
        columns: our names of columns to those in the tables, such as {item_id: sku}; for one table only, under the
            name of its file: {looks.csv: {outfit_id: look}}.
        leave_out: further columns of the items that are not to be read, such as vectors that nobody filters by.
        types: item types to other names, such as {tee: top}; types of the same name become one.
        pictures: the folder or LMDB of pictures, by item id (with or without the suffix of the file), or by what the
            column image holds.
        session_minutes: interactions without an order_id belong together if no more time lies between one and the
            next. All interactions of one day do where the times are days.
    """

    items: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    outfits: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    interactions: tuple[str, ...] = ()
    columns: dict[str, str | tuple[str, ...] | Columns] = Field(default_factory=dict)
    leave_out: tuple[str, ...] = ()
    types: dict[str, str] = Field(default_factory=dict)
    pictures: str | None = None
    session_minutes: NotNegative = 30.0

    @field_validator("items", "details", "outfits", "events", "interactions", mode="before")
    @classmethod
    def _list(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value
