"""Features of columns of the catalogue: numbers, dates, categories."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace

from fashion_hash.config.experiment import Config
from fashion_hash.data.columns import ALWAYS_TEXT, ColumnType, types_of
from fashion_hash.data.dataset import Dataset
from fashion_hash.encoders.attributes import ITEM_ID, USABLE, AttributeVectors
from fashion_hash.errors import ConfigError, counted, suggest
from fashion_hash.features.table import FeatureTable, make_table, train_items

log = logging.getLogger(__name__)

Items = list[Mapping[str, object]]


def attributes_table(config: Config, dataset: Dataset) -> FeatureTable:
    """The features of all items, as set in the section attributes of the configuration.

    Args:
        config: which columns.
        dataset: the items; means, quantiles and values come from those of its training outfits.

    Raises:
        ConfigError: the configuration has no section attributes, or names a column that the data does not have.
        FeatureError: nothing tells training items apart.
    """
    settings = config.attributes
    if settings is None:
        raise ConfigError("the configuration has no section attributes, so there are no features of columns")
    items, seen = _described(dataset), train_items(dataset)
    types = _chosen(settings.columns, dataset, (item for of_type in items.values() for item in of_type))
    if settings.id_number:
        types[ITEM_ID] = "number"
    if not types:
        raise ConfigError(
            f"attributes: the items of {dataset.name} have no columns to use: set attributes.id_number to use the "
            "numbers that their ids are, or leave the section out"
        )
    fitted = [
        item
        for item_type, of_type in items.items()
        for item, in_training in zip(of_type, seen[item_type])
        if in_training
    ]
    encoder = AttributeVectors.fit(fitted, types, settings.quantiles, settings.categories)
    encoded = {item_type: encoder.encode(of_type) for item_type, of_type in items.items()}
    raw, known = ({name: parts[place] for name, parts in encoded.items()} for place in (0, 1))
    table = replace(make_table(dataset, "attributes", raw, known), attributes=encoder)
    if without := sum(table.imputed.values()):
        these = counted(without, "item has", "items have")
        log.warning("%s: %s none of the attributes; each gets the mean feature of its type", dataset.name, these)
    return table


def _described(dataset: Dataset) -> dict[str, Items]:
    """By type, the columns of every item in row order, with its id."""
    details = dataset.content.details
    return {
        item_type: [{**details.get(item_type, {}).get(item_id, {}), ITEM_ID: item_id} for item_id in vocabulary]
        for item_type, vocabulary in dataset.items.items()
    }


def _chosen(
    columns: tuple[str, ...] | None, dataset: Dataset, items: Iterable[Mapping[str, object]]
) -> dict[str, ColumnType]:
    """The types of the columns that are used, by name."""
    found = types_of({name: value for name, value in item.items() if name != ITEM_ID} for item in items)
    usable = {name: kind for name, kind in found.items() if kind in USABLE and name not in ALWAYS_TEXT}
    if columns is None:
        return usable
    ours = [dataset.content.names.get(name, name) for name in columns]
    for name, named in zip(ours, columns):
        if name not in usable:
            listed = ", ".join(usable) or "none"
            raise ConfigError(
                f"attributes.columns: {dataset.name} has no usable column {named!r}{suggest(named, usable)}; it has "
                f"{listed}"
            )
    return {name: usable[name] for name in ours}
