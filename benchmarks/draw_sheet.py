"""The picture of the README: the sheets of some users side by side, small enough for a page.

python benchmarks/draw_sheet.py runs/demo/bundle docs/images/outfits.jpg --user 1 --user 2 [-k 3] [--width 1400]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from fashion_hash.core.files import atomic_path
from fashion_hash.presentation.sheet import draw_sheet
from fashion_hash.presentation.tiles import outfit_view
from fashion_hash.retrieval.recommender import Recommender


def main(argv: Sequence[str] | None = None) -> int:
    """Draws the picture and says where it is."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("bundle", help="a bundle, such as runs/demo/bundle after `make demo`")
    parser.add_argument("out", help="the JPEG file to write")
    parser.add_argument("--user", action="append", required=True, help="a user id; may be repeated")
    parser.add_argument("-k", type=int, default=3, help="outfits a user (default 3)")
    parser.add_argument("--width", type=int, default=1400, help="pixels (default 1400)")
    options = parser.parse_args(argv)
    recommender = Recommender.load(options.bundle)
    with tempfile.TemporaryDirectory() as folder:
        sheets = []
        for user in options.user:
            path = Path(folder) / f"{len(sheets)}.png"
            view = outfit_view(recommender, user, recommender.answer(user, options.k))
            draw_sheet([view], str(path), recommender.bundle.name)
            sheets.append(Image.open(path).convert("RGB"))
    whole = Image.new("RGB", (sum(sheet.width for sheet in sheets), max(sheet.height for sheet in sheets)), "white")
    left = 0
    for sheet in sheets:
        whole.paste(sheet, (left, 0))
        left += sheet.width
    whole.thumbnail((options.width, whole.height))
    with atomic_path(options.out) as temporary:
        whole.save(temporary, format="JPEG", quality=85, optimize=True, progressive=True)
    print(f"wrote {options.out}: {whole.width} x {whole.height}, {Path(options.out).stat().st_size / 1e3:.0f} kB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
