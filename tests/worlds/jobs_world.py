"""What bulk work is tried on: a run of a small data set on disk, and a table of new items with their pictures."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from tests.worlds.pages_world import pages_bundle
from tests.worlds.picture_world import picture

COLOURS = ("red", "blue", "green", "orange")


def small_run(folder: Path) -> Path:
    """A run folder: tops and bottoms in the form of IQON3000, learned by ids; its data lies beside it."""
    from fashion_hash.config.experiment import load_config
    from fashion_hash.training.outfits.loop import fit

    rng, data = np.random.default_rng(0), folder / "data"
    data.mkdir(parents=True)
    for name, count in (("train", 120), ("valid", 40), ("test", 40)):
        rows = rng.integers(15, size=(count, 3)) + 1000
        users = rng.integers(8, size=count)
        columns, width = ("user,top,bottom", 3) if name == "train" else ("user,top,bottom,negative_bottom", 4)
        lines = [",".join(map(str, [user, *row][:width])) for user, row in zip(users, rows)]
        (data / f"{name}.csv").write_text("\n".join([columns, *lines]) + "\n")
    config = folder / "small.yaml"
    config.write_text(f"name: small\ndata: {{format: iqon3000, root: {data}}}\nid: {{}}\n")
    fit(load_config(config, ["model.num_bits=16", "train.epochs=1", "negatives.swap=[bottom]"]), out=folder / "run")
    return folder / "run"


class NewItems:
    """A bundle that codes pictures, with a table of ten new items, a folder of their pictures, one of them broken.

    Attributes:
        bundle: the bundle folder.
        table: CSV with the columns item_id, type, title and picture; some have no picture, one has a broken one.
        pictures: the folder.
    """

    def __init__(self, folder: Path) -> None:
        """Writes all of it into a folder."""
        folder.mkdir(exist_ok=True)
        self.bundle = pages_bundle(folder / "bundle").root
        self.pictures, self.table = folder / "pictures", folder / "items.csv"
        self.pictures.mkdir()
        rows = []
        for number in range(10):
            name = f"{number}.jpg" if number % 4 != 3 else ""
            rows.append([f"new-{number}", ("top", "shoe")[number % 2], f"a {COLOURS[number % 4]} thing", name])
            if name:
                (self.pictures / name).write_bytes(picture(COLOURS[number % 4], number))
        (self.pictures / "8.jpg").write_bytes(b"half of a picture")
        with self.table.open("w", newline="") as stream:
            csv.writer(stream).writerows([["item_id", "type", "title", "picture"], *rows])
