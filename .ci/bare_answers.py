"""What an install without torch must do: answer, search by words, add an item and a user, print pictures of outfits.

    python .ci/bare_answers.py GOLDEN FOLDER

GOLDEN holds bundles and the answers they gave when they were made (tests/golden/v1); they are copied into FOLDER,
which must not exist. Exit status 0: every answer is as it was, and torch was never imported.
"""

from __future__ import annotations

import json
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import fashion_hash as fh

ABSENT = ("torch", "torchvision", "lmdb", "matplotlib", "bm25s")


def main(golden: Path, folder: Path) -> None:
    """Checks everything; an assertion fails where something is wrong."""
    for case in ("fhn", "requests"):
        shutil.copytree(golden / case / "bundle", folder / case)
    present = [name for name in ABSENT if find_spec(name) is not None]
    assert not present, f"{present} should be absent"

    expected = json.loads((golden / "fhn/answers.json").read_text())["outfits"]
    recommender = fh.Recommender.load(folder / "fhn")
    user = recommender.bundle.users.all()[0]
    ids, scores = recommender.recommend(user, 10)
    assert [[str(name), score] for name, score in zip(ids, scores.tolist())] == expected[user]["recommend"]
    assert len(recommender.compose(user, 5).hits) == 5
    assert recommender.explain(user, str(ids[0])).to_text()

    recommender.add_items([{"item_id": "bare-shirt", "type": "top", "title": "a red cotton shirt"}])
    recommender.add_outfits({"bare-outfit": {"top": "bare-shirt", "shoe": recommender.bundle.items["shoe"].id(0)}})
    recommender.add_user("bare-user", liked=[str(ids[0])])
    assert recommender.recommend("bare-user", 1).personal
    assert recommender.compact()
    assert "bare-shirt" in fh.Recommender.load(folder / "fhn").bundle.items["top"]

    search = json.loads((golden / "requests/answers.json").read_text())["search"]["None"]
    found = fh.Recommender.load(folder / "requests").search("something red please", k=5)
    assert [str(name) for name in found.ids] == [name for name, _ in search[0]]

    from fashion_hash.commands.query import main as query

    pictures = ["--sheet", str(folder / "sheet.png"), "--page", str(folder / "page.html")]
    assert query([str(folder / "fhn"), "--user", user, "-k", "3", *pictures]) == 0
    assert (folder / "sheet.png").is_file()

    assert not set(ABSENT) & set(sys.modules)
    print(f"fashion_hash {fh.__version__} answers without {', '.join(ABSENT)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
