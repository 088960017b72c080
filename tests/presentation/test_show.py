"""Sheet, page and query command over a bundle with and without pictures."""

import html.parser
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashion_hash.bundle.write import write_bundle
from fashion_hash.commands.query import main
from fashion_hash.index.build import build_index
from fashion_hash.presentation import sheet
from fashion_hash.presentation.page import write_page
from fashion_hash.presentation.sheet import PAPER, draw_sheet
from fashion_hash.presentation.tiles import ItemView, Request, Tile, outfit_view
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.random_bundles import random_contents, random_pool

EVIL = "<script>alert('x')</script>\n\x1b[31m \u202e & more"
COLOUR = (10, 200, 30)


@pytest.fixture(scope="module")
def bundle_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tops have pictures, two of them unreadable; every title is hostile."""
    stream = io.BytesIO()
    Image.new("RGB", (30, 40), COLOUR).save(stream, format="PNG")
    contents = random_contents(slots=("top", "top", "bottom"), num_items=12)
    pictures = {"top": {one: stream.getvalue() for one in contents.items["top"][2:]}}
    pictures["top"]["top-0"] = b"no picture at all"
    pictures["top"]["top-1"] = stream.getvalue()[:60]
    details = {kind: {one: {"title": f"{EVIL} {one}"} for one in ids} for kind, ids in contents.items.items()}
    path = tmp_path_factory.mktemp("bundles") / "bundle"
    bundle = write_bundle(
        path,
        random_contents(slots=("top", "top", "bottom"), num_items=12, pictures=pictures, details=details),
    )
    build_index(bundle, random_pool(bundle, 40))
    return path


class Tags(html.parser.HTMLParser):
    """Collects tags, and fails on one that is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_escaped(bundle_path: Path, tmp_path: Path) -> None:
    recommender = Recommender.load(bundle_path)
    views = [outfit_view(recommender, user, recommender.answer(user, 4)) for user in ("user-0", "user-1")]
    write_page(views, tmp_path / "page.html", "<b>a bundle</b>")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(text)
    assert not tags.open
    assert "script" not in tags.seen
    assert "b" not in [tag for tag in tags.seen[: tags.seen.index("section")]]
    assert "&lt;script&gt;" in text
    assert "\\x1b[31m \\u202e" in text
    assert not {letter for letter in text if not letter.isprintable()} - {"\n"}
    assert text.count("<aside>") == 2
    tops = [
        tile
        for view in views
        for outfit in view.liked + [tiles for _, tiles in view.hits]
        for tile in outfit
        if tile.picture is not None and tile.item_id != "top-0"
    ]
    assert tags.seen.count("img") == len(tops) > 0  # top-0's bytes are no picture; top-1's begin like one
    assert "http" not in text  # nothing is fetched from elsewhere


def test_the_sheet_shows_pictures_and_placeholders(bundle_path: Path, tmp_path: Path) -> None:
    recommender = Recommender.load(bundle_path)
    one = outfit_view(recommender, "user-0", recommender.answer("user-0", 10))
    draw_sheet([one], tmp_path / "one.png", "a bundle")
    draw_sheet([one, one], tmp_path / "two.png", "a bundle")
    with Image.open(tmp_path / "one.png") as single, Image.open(tmp_path / "two.png") as double:
        assert single.format == "PNG"
        assert double.size == (single.width, 2 * single.height)
        colours = {colour for _, colour in single.getcolors(1 << 20)}
        assert COLOUR in colours
        assert single.getpixel((2, 2)) == tuple(bytes.fromhex(PAPER[1:]))


def _contrast(first: str, second: str) -> float:
    """The contrast of two colours as the Web Content Accessibility Guidelines define it."""

    def luminance(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)


def test_every_text_of_a_sheet_has_contrast() -> None:
    pairs = [(sheet.INK, ground) for ground in (PAPER, "#ffffff", *sheet.PLACEHOLDERS)]
    pairs += [
        (sheet.QUIET, PAPER),
        (sheet.QUIET, "#ffffff"),
        *((sheet.DARKER, ground) for ground in sheet.PLACEHOLDERS),
    ]
    assert all(_contrast(*pair) >= 4.5 for pair in pairs), [(pair, _contrast(*pair)) for pair in pairs]


@pytest.mark.parametrize("count", range(1, 13))
def test_pieces_of_a_card_lie_within_it_and_never_on_each_other(count: int) -> None:
    boxes = sheet._flat(count, 372, 332)
    assert len(boxes) == count
    covered = np.zeros((332, 372), dtype=int)
    for left, top, width, height in boxes:
        assert width > 10
        assert height > 10
        covered[top : top + height, left : left + width] += 1
        assert left + width <= 372
        assert top + height <= 332
    assert covered.max() == 1


def test_enormous_titles_are_drawn_at_once(tmp_path: Path) -> None:
    tile = Tile("top", "top-0", "夏 " * 10**6, None)
    view = ItemView("user-0", 1, [[tile]], [(0.5, tile)], Request("word " * 10**6, "words alone", ""))
    draw_sheet([view], tmp_path / "sheet.png", "a bundle" * 10**6)
    with Image.open(tmp_path / "sheet.png") as image:
        assert image.width >= 1000


def test_what_cannot_be_written_is_named(bundle_path: Path, tmp_path: Path) -> None:
    view = outfit_view(Recommender.load(bundle_path), "user-0", [], at_most_liked=0)
    for draw in (draw_sheet, write_page):
        with pytest.raises(IsADirectoryError) as raised:
            draw([view], tmp_path)
        assert raised.value.filename == str(tmp_path)
        assert raised.value.filename2 is None


def test_nothing_liked_and_nothing_found(bundle_path: Path, tmp_path: Path) -> None:
    recommender = Recommender.load(bundle_path)
    view = outfit_view(recommender, "user-0", [], at_most_liked=0)
    draw_sheet([view], tmp_path / "empty.png")
    write_page([view], tmp_path / "empty.html")
    assert "No outfits found" in (tmp_path / "empty.html").read_text()


def test_json_is_one_object(bundle_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(bundle_path), "--user", "user-1", "--user", "user-3", "-k", "3", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    recommender = Recommender.load(bundle_path)
    assert (answer["bundle"], answer["k"]) == (str(bundle_path), 3)
    assert answer["fingerprint"] == recommender.bundle.fingerprint
    assert list(answer["users"]) == ["user-1", "user-3"]
    for user, found in answer["users"].items():
        ids, scores = recommender.recommend(user, 3)
        assert [hit["outfit_id"] for hit in found["hits"]] == ids.tolist()
        assert [hit["score"] for hit in found["hits"]] == scores.tolist()
        for hit in found["hits"]:
            assert set(hit) == {"outfit_id", "items", "score", "preference", "compatibility", "bias", "personal"}
            assert hit["items"] == recommender.outfit(hit["outfit_id"])


def test_the_table(bundle_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(bundle_path), "--user", "user-1", "-k", "2", "--include-liked"]) == 0
    out = capsys.readouterr().out
    lines = out.strip().splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("user-1: best 2 of 40 outfits, ")
    assert "\x1b" not in out  # a title must not steer the terminal
    best = Recommender.load(bundle_path).answer("user-1", 1, include_liked=True)[0]
    assert best.outfit_id in lines[2]
    assert f"{best.score:.4f}" in lines[2]


def test_sheet_and_page_are_written(bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet, page = tmp_path / "sheet.png", tmp_path / "page.html"
    arguments = [str(bundle_path), "--user", "user-1", "--sheet", str(sheet), "--page", str(page)]
    assert main(arguments) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [f"wrote {sheet}", f"wrote {page}"]
    assert main([*arguments, "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["k"] == 10
    assert err == f"wrote {sheet}\nwrote {page}\n"
    with Image.open(sheet) as image:
        assert image.format == "PNG"
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["BUNDLE", "--user", "user-77"], "error: unknown user 'user-77': add new users"),
        (["BUNDLE", "--user", "user-1", "-k", "0"], "error: k must be at least 1, got 0"),
        (["BUNDLE", "--user", "user-1", "-k", "-4"], "error: k must be at least 1, got -4"),
        (["BUNDLE", "--user", "user-1", "--engine", "sums"], "error: engine 'sums' needs "),
        (["nowhere", "--user", "user-1"], "error: HERE/nowhere is not a fashion_hash bundle"),
        (
            ["BUNDLE", "--user", "user-1", "--sheet", "/dev/null/s.png"],
            "error: --sheet /dev/null/s.png: /dev/null is a",
        ),
        (
            ["BUNDLE", "--user", "user-1", "--page", "/dev/null/a/p.html"],
            "error: --page /dev/null/a/p.html: /dev/null is",
        ),
        (
            ["BUNDLE", "--user", "user-1", "--sheet", "x.txt"],
            "error: --sheet x.txt: the name must end with .png",
        ),
        (
            ["BUNDLE", "--user", "user-1", "--page", "x.png"],
            "error: --page x.png: the name must end with .html",
        ),
        (["BUNDLE", "--user", "user-1", "--sheet", "FOLDER"], "error: --sheet FOLDER: this is a folder, name a file"),
    ],
)
def test_bad_input_is_one_line_and_status_two(
    bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    folder = tmp_path / "folder.png"
    folder.mkdir()
    arguments = [str(folder) if one == "FOLDER" else one for one in arguments]
    message = message.replace("FOLDER", str(folder)).replace("HERE", str(Path.cwd()))
    assert main([str(bundle_path) if one == "BUNDLE" else one for one in arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(message)
    assert err.count("\n") == 1


def test_a_filter_is_json(bundle_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = []
    for options in ([], ["--where", '{"top": {"title": {"contains": "top-1"}}}']):
        assert main([str(bundle_path), "--user", "user-1", "-k", "500", "--json", *options]) == 0
        found.append(json.loads(capsys.readouterr().out)["users"]["user-1"]["hits"])
    everything, some = found
    worn = [[one for slot, one in hit["items"].items() if slot.startswith("top")] for hit in everything]
    assert some == [hit for hit, tops in zip(everything, worn) if all("top-1" in one for one in tops)]
    assert 0 < len(some) < len(everything)
    assert main([str(bundle_path), "--user", "user-1", "--where", "{price}"]) == 2
    assert "--where '{price}' is not JSON" in capsys.readouterr().err
