"""The configuration that fits a shop's tables: ready to train, with the reason of each choice beside it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from fashion_hash.data.facts import NO_TIME
from fashion_hash.data.shop.item_sets import SlotChoice
from fashion_hash.data.shop.read import EVERYBODY, ShopData
from fashion_hash.data.shop.tables.recognise import KINDS

MANY = 100_000  # outfits from which on batches are large and share their negatives
SOME_KNOWN, MOST_KNOWN = 0.5, 0.9  # shares of the items with a title or a picture: to use them, to leave out ids


@dataclass(frozen=True)
class Counts:
    """What the choice of a model depends on.

    Attributes:
        outfits: that users like.
        items: of the types with slots.
        titled: how many of these items have a title.
        pictured: how many have a picture.
        users: how many there are.
        timed: whether each like has a time.
        split: whether the tables say which outfits are for training.
    """

    outfits: int
    items: int
    titled: int
    pictured: int
    users: int
    timed: bool
    split: bool


def count(data: ShopData, choice: SlotChoice, pictured: int = 0) -> Counts:
    """Counts what the choice of a model depends on."""
    with_slot = {data.items.types.index(item_type) for item_type in choice.slots}
    details = [row for row, at in zip(data.items.details, data.items.type_of) if at in with_slot]
    users = 1 if data.users == [EVERYBODY] else len(data.users)
    timed = bool(len(data.likes)) and bool((data.likes.times != NO_TIME).all())
    split = bool((data.likes.splits != "").any())
    titled = sum("title" in row for row in details)
    return Counts(len(data.likes), len(details), titled, pictured, users, timed, split)


def run_name(folder: Path) -> str:
    """The name of the run, out of that of the folder."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", folder.resolve().name).strip("-._")
    return name or "shop"


def config_text(data: ShopData, choice: SlotChoice, counts: Counts) -> str:
    """The configuration as YAML, with comments."""
    root = data.tables.root
    shop: dict[str, object] = {}
    for kind in KINDS:
        if tables := data.tables.of(kind):
            shop[kind] = [table.path.name for table in tables]
    columns = {
        table.path.name: {
            ours: theirs[0] if len(theirs) == 1 else list(theirs)
            for ours, theirs in table.mapped.items()
            if theirs != (ours,)
        }
        for kind in KINDS
        for table in data.tables.of(kind)
    }
    if data.type_column is not None:
        for table in data.tables.of("items"):
            columns[table.path.name]["type"] = data.type_column
    if columns := {name: mapped for name, mapped in columns.items() if mapped}:
        shop["columns"] = columns
    if data.tables.pictures is not None:
        shop["pictures"] = data.tables.pictures.relative_to(root).as_posix()
    parts = [
        f"# Made by `fashion-hash init {root}`. Every key: docs/reference/configuration.md",
        _yaml({"name": run_name(root)}),
        "data:",
        _indented({"format": "shop", "root": str(root)}),
        f"  slots: [{', '.join(_yaml_word(slot) for slot in choice.slots)}]",
        *_split_lines(counts),
        _indented({"shop": shop}),
        *_model_lines(counts),
    ]
    return "\n".join(parts) + "\n"


def _split_lines(counts: Counts) -> list[str]:
    """How held-out outfits are chosen; nothing where the tables say it or too few are there."""
    if counts.split:
        return []
    # by user rather than by time: the first model should know every user, and be measured for each of them
    return ["  split: {kind: per_user, valid: 0.1, test: 0.1}  # or kind: time, cold_users, cold_items"]


def _model_lines(counts: Counts) -> list[str]:
    """Sections of features, model, negatives, optimiser and training that fit the size."""
    lines: list[str] = []
    rates = ["user: 0.02"]
    pictures = counts.pictured >= SOME_KNOWN * counts.items and counts.pictured > 1
    if pictures:
        lines.append("image: {encoder: descriptors, head: linear}  # pictures without weights to download")
        rates.append("image_head: 0.002")
    words = counts.titled >= SOME_KNOWN * counts.items and counts.titled > 1
    if words:
        dim = 64 if counts.titled < 1000 else 128 if counts.titled < 20_000 else 256
        lines.append(f"text: {{source: titles, dim: {dim}, head: linear}}  # words without weights to download")
        rates.append("text_head: 0.002")
    if max(counts.titled, counts.pictured) < MOST_KNOWN * counts.items:
        lines.append("id: {hide: 0.1}  # a learned embedding an item; one in ten is hidden, for items that come later")
        rates.append("id: 0.01")
    rates.append("bit_weights: 0.001")
    bits = 64 if counts.items < 1000 else 128
    terms = ", terms: compatibility" if counts.users == 1 else ""  # nobody in particular to prefer anything
    if pictures and words:
        lines.append("loss: {cross_modal: 0.1, margin: 0.1}  # ties the picture of an item to its words")
    lines.append(f"model: {{num_bits: {bits}{terms}}}")
    if counts.outfits >= MANY:
        lines.append("negatives: {kind: shared, per_positive: 256}")
        epochs, batch = 10, 1024
    else:
        lines.append("negatives: {kind: random, per_positive: 4}")
        batch = 32 if counts.outfits < 2000 else 128
        epochs = 20 if counts.outfits < 2000 else 12
    lines += ["optimiser:", "  kind: adam", f"  rates: {{{', '.join(rates)}}}"]
    lines.append(f"train: {{epochs: {epochs}, batch_size: {batch}}}")
    return lines


def _yaml(value: object) -> str:
    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=110)).rstrip("\n")


def _indented(value: object) -> str:
    return "\n".join(f"  {line}" for line in _yaml(value).splitlines())


def _yaml_word(word: str) -> str:
    """A text as an element of a YAML list in brackets."""
    return str(yaml.safe_dump([word], default_flow_style=True, allow_unicode=True, width=10_000)).strip()[1:-1]
