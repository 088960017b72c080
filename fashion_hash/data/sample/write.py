"""The sample data set: a planted world written in the Polyvore-U layout, with pictures and words.

`make_sample` is what `fashion-hash make-sample` calls. What it writes depends on the settings alone: the same
seed gives the same bytes (of the LMDB: the same content).
"""

from __future__ import annotations

import csv
import io
import pickle
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from fashion_hash.core.files import atomic_folder, atomic_path, sweep, write_text
from fashion_hash.core.locks import hold
from fashion_hash.core.outfits import Outfits
from fashion_hash.core.seeds import derive, generator
from fashion_hash.data.sample.garments import TYPES
from fashion_hash.data.sample.polyvore_files import SPLITS, Subset, write_subset
from fashion_hash.data.sample.text_vectors import text_vectors
from fashion_hash.data.sample.truth import ITEMS_FILE, TRUTH_FILE, read_truth, truth_text
from fashion_hash.data.sample.world import World, draw_worn, item_names, item_rows, plant_world
from fashion_hash.data.stores.lmdb_files import import_lmdb, write_lmdb
from fashion_hash.errors import DataError, naming

VERSION = 1  # of the sample: raised whenever the same settings give other files
JPEG_QUALITY = 65
SLOTS = {"fixed": ("top", "bottom", "shoe"), "variable": ("top", "top", "bottom", "shoe")}
LAYOUT = (
    "tuples_630",
    "tuples_53",
    "tuples_519",
    "tuples_32",
    "images",
    "sentence_vector",
    "features",  # of pictures that are gone: extracted again when they are asked for
    "README.md",
    ITEMS_FILE,
)


@dataclass(frozen=True)
class Settings:
    """What a sample is made from.

    Attributes:
        seed: of every draw.
        users: users in tuples_630; the other subsets shrink as in the release (519/630, 53/630, 32/630).
        items: items of each type.
        outfits_per_user: training outfits of a user; validation adds 1/8 of it, test 1/6.
        variable: whether to write tuples_519 and tuples_32 as well (one or two tops).
        pictures: whether to draw the pictures and fill the LMDB; otherwise there are only words.
        version: of the maker: raised whenever the same settings give other files.
    """

    seed: int = 0
    users: int = 60
    items: int = 160
    outfits_per_user: int = 80
    variable: bool = False
    pictures: bool = True
    version: int = VERSION

    def __post_init__(self) -> None:
        for name, least, why in (
            ("seed", 0, "a seed cannot be negative"),
            ("users", 2, "hard negatives are other users' outfits"),
            ("items", 20, "every kind of garment should occur in each item type"),
            ("outfits_per_user", 10, "every split needs outfits of every user"),
        ):
            if getattr(self, name) < least:
                option = name.replace("_", "-")
                raise DataError(f"--{option} must be at least {least}, got {getattr(self, name)}: {why}")
        if self.items**3 < 100 * self.outfits_per_user:
            raise DataError(
                f"--items {self.items} is too few for {self.outfits_per_user} distinct outfits per user: "
                "raise --items or lower --outfits-per-user"
            )


@dataclass(frozen=True)
class Summary:
    """What `make_sample` made: sizes of the subsets, items, pictures, bytes on disk, seconds."""

    root: Path
    users: Mapping[str, int]
    outfits: Mapping[str, Mapping[str, int]]
    items: Mapping[str, int]
    pictures: int
    files_written: int
    bytes_total: int
    seconds: float


def make_sample(out: str | Path, *, force: bool = False, **settings: Any) -> Summary:
    """Makes a sample, or finishes one: if `out` holds a sample of the same settings, only missing files are made.

    Args:
        out: the folder, laid out like polyvore_data.
        force: make everything anew, and write into a folder that is neither empty nor a sample. Only what belongs
            to the layout is replaced, and extracted features are removed; other files are left alone.
        **settings: the fields of `Settings`: seed, users, items, outfits_per_user, variable, pictures.

    Returns:
        What was made.

    Raises:
        DataError: a setting is out of range, or the folder holds something else.
    """
    began = time.monotonic()
    out = Path(out)
    chosen = Settings(**settings)
    if chosen.pictures:
        import_lmdb()  # before anything is drawn
    with naming(out), hold(out, "making a sample in it", DataError):
        moved = _interrupted(out)
        finish = _may_finish(out, chosen, force or moved)
        world, subsets = _plant(chosen)
        if finish:
            written = _write(out, chosen, world, subsets)
        elif moved or (out.is_dir() and any(out.iterdir())):
            with atomic_folder(_beside(out)) as new:
                written = _write(new, chosen, world, subsets)
            _move_into(_beside(out), out)
        else:
            with atomic_folder(out) as new:
                written = _write(new, chosen, world, subsets)
    files = [file for file in out.rglob("*") if file.is_file()]
    return Summary(
        root=out,
        users={subset.name: len(subset.world_users) for subset in subsets},
        outfits={subset.name: {split: len(subset.positives[split]) for split in SPLITS} for subset in subsets},
        items={item_type: world.num_items(item_type) for item_type in TYPES},
        pictures=len(TYPES) * chosen.items if chosen.pictures else 0,
        files_written=written,
        bytes_total=sum(file.stat().st_size for file in files),
        seconds=time.monotonic() - began,
    )


def _beside(out: Path) -> Path:
    """Where a sample waits that is to take the place of what is in `out`."""
    return out.with_name(f".{out.name}.new")


def _interrupted(out: Path) -> bool:
    """Removes what killed processes left; returns whether one of them was replacing what is in `out`."""
    sweep(out.parent, out.name, _beside(out).name)
    for folder in (out, out / "images", out / "images" / "291x291", out / "sentence_vector", *out.glob("tuples_*")):
        sweep(folder)
    began = _beside(out).exists()
    shutil.rmtree(_beside(out), ignore_errors=True)
    return began and out.is_dir() and not (out / TRUTH_FILE).exists()


def _may_finish(out: Path, settings: Settings, force: bool) -> bool:
    """True when `out` is a sample of these settings. Raises DataError when it holds something else."""
    if out.exists() and not out.is_dir():
        raise DataError(f"{out} is a file; --out names a folder")
    if force or not out.exists() or not any(out.iterdir()):
        return False
    if not (out / TRUTH_FILE).exists():
        raise DataError(
            f"{out} is neither empty nor a sample ({TRUTH_FILE} is missing): choose another --out, or --force "
            "to replace what it holds of the Polyvore-U layout"
        )
    return bool(read_truth(out)["settings"] == asdict(settings))


def _move_into(new: Path, out: Path) -> None:
    """Exchanges what belongs to the layout; truth.json goes first and comes last: half a sample is none."""
    (out / TRUTH_FILE).unlink(missing_ok=True)
    for name in LAYOUT:
        if (out / name).is_dir():
            shutil.rmtree(out / name)
        (out / name).unlink(missing_ok=True)
        if (new / name).exists():
            (new / name).rename(out / name)
    (new / TRUTH_FILE).rename(out / TRUTH_FILE)
    new.rmdir()


def _plant(settings: Settings) -> tuple[World, list[Subset]]:
    """The world and who wears what; the users of 53 and 32 are not among those of 630 and 519."""
    users, each = settings.users, settings.outfits_per_user
    sizes = {number: max(2, round(users * number / 630)) for number in (630, 519, 53, 32)}
    world = plant_world(settings.seed, users + sizes[53] + sizes[32], settings.items)
    first = {630: 0, 519: 0, 53: users, 32: users + sizes[53]}
    counts = {"train": each, "val": max(1, round(each / 8)), "test": max(1, round(each / 6))}
    bounds = np.cumsum([0, *counts.values()])
    subsets = []
    for number, form in ((630, "fixed"), (53, "fixed"), (519, "variable"), (32, "variable")):
        if form == "variable" and not settings.variable:
            continue
        name = f"tuples_{number}"
        world_users = np.arange(first[number], first[number] + sizes[number])
        worn = draw_worn(world, SLOTS[form], world_users, int(bounds[-1]), generator(settings.seed, name, "worn"))
        place = np.tile(np.arange(bounds[-1]), len(world_users))
        positives: dict[str, Outfits] = {
            split: worn[(place >= low) & (place < high)] for split, low, high in zip(SPLITS, bounds, bounds[1:])
        }
        subsets.append(Subset(name, world_users, positives, all_items=number in (630, 519), retrieval=number == 630))
    return world, subsets


def _write(root: Path, settings: Settings, world: World, subsets: Sequence[Subset]) -> int:
    """Writes what is not there yet; returns how many files were written."""
    names = {item_type: item_names(item_type, world.num_items(item_type)) for item_type in TYPES}
    rows = [row for item_type in TYPES for row in item_rows(world, item_type)]
    written = sum(write_subset(root, subset, names, settings.seed) for subset in subsets)
    texts = {ITEMS_FILE: _items_csv(rows), "README.md": _data_card(settings, world, subsets)}
    texts[TRUTH_FILE] = truth_text(asdict(settings), world, {s.name: s.world_users for s in subsets}, names)
    for name, text in texts.items():
        if not (root / name).exists():
            write_text(root / name, text)
            written += 1
    vectors = root / "sentence_vector" / "semantic.pkl"
    if not vectors.exists():
        with atomic_path(vectors) as path, open(path, "wb") as stream:
            matrix = text_vectors([row["title"] for row in rows], settings.seed)
            pickle.dump(dict(zip([row["item_id"] for row in rows], matrix)), stream, protocol=4)
        written += 1
    if settings.pictures:
        written += _draw_pictures(root / "images" / "291x291", rows, settings.seed)
        written += _fill_lmdb(root / "images" / "lmdb", root / "images" / "291x291", rows)
    return written


def _items_csv(rows: Sequence[Mapping[str, str]]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def _draw_pictures(folder: Path, rows: Iterable[Mapping[str, str]], seed: int) -> int:
    from fashion_hash.data.sample.drawing import draw_item

    folder.mkdir(parents=True, exist_ok=True)
    missing = [row for row in rows if not (folder / row["item_id"]).exists()]
    for row in tqdm(missing, desc="drawing", unit="picture", disable=None):
        picture = draw_item(row["kind"], row["colour"], row["pattern"], derive(seed, "picture", row["item_id"]))
        # Whole or not at all, but not synced to the disk one by one: a picture can be drawn again.
        partial = folder / f".{row['item_id']}.partial"
        picture.save(partial, format="JPEG", quality=JPEG_QUALITY, optimize=True)
        partial.replace(folder / row["item_id"])
    return len(missing)


def _fill_lmdb(path: Path, pictures: Path, rows: Sequence[Mapping[str, str]]) -> int:
    if path.exists():
        return 0
    names = [row["item_id"] for row in rows]
    write_lmdb(path, ((name, (pictures / name).read_bytes()) for name in names))
    return 1


def _data_card(settings: Settings, world: World, subsets: Sequence[Subset]) -> str:
    lines = []
    for subset in subsets:
        slots = ", ".join(subset.positives["train"].slots)
        counts = " / ".join(str(len(subset.positives[split])) for split in SPLITS)
        lines.append(f"| `{subset.name}` | {slots} | {len(subset.world_users)} | {counts} |")
    options = f"--seed {settings.seed} --users {settings.users} --items {settings.items}"
    options += f" --outfits-per-user {settings.outfits_per_user}"
    options += " --variable" * settings.variable + " --no-pictures" * (not settings.pictures)
    return f"""# A sample in the Polyvore-U layout

Garments and people are invented: `tools/make_sample.py --out FOLDER {options}` draws them,
and the same command finishes a folder that lacks files (the LMDB, the text vectors and the training
negatives are not in git).
The names of the folders are the release's, so that one configuration reads both; the sizes are not.

| folder | slots | users | train / val / test outfits |
|---|---|---|---|
{chr(10).join(lines)}

Items of each type: {world.num_items("top")}. The users of `tuples_53` and `tuples_32` are new: none is in
another folder, although every folder numbers its users from 0. Image lists differ between folders.

* `items.csv`: a shop's catalogue of the same items (title, kind, colour, pattern, material, style, formality,
  season, brand, price, in_stock).
* `truth.json`: the planted tastes; `fashion_hash.data.sample.truth.truth_scorer` scores outfits by them.
* `images/291x291`: drawings; `images/lmdb`: the same bytes by image name.
* `sentence_vector/semantic.pkl`: 2400 floats for each title.
"""
