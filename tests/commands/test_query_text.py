"""query.py with --text: tables, JSON, sheets and pages, and options that do not go together."""

import html.parser
import json
from pathlib import Path

import pytest
from PIL import Image

from fashion_hash.commands.query import main
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.words_world import words_bundle


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(words_bundle(tmp_path_factory.mktemp("words") / "bundle").path)


def asked(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str, str]:
    status = main(list(options))
    out, err = capsys.readouterr()
    return status, out, err


def test_items_as_a_table(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = asked(capsys, path, "--text", "a red linen shirt", "-k", "3")
    lines = out.splitlines()
    assert status == 0
    assert lines[0] == '"a red linen shirt" for anyone: by words alone'
    assert lines[1].split() == ["score", "type", "item", "title"]
    hits = Recommender.load(path).search("a red linen shirt", k=3)
    assert [line.split()[:4] for line in lines[2:5]] == [
        [str(rank), f"{score:.4f}", kind, one]
        for rank, (one, score, kind) in enumerate(zip(hits.ids, hits.scores, hits.types), start=1)
    ]
    assert lines[2].endswith("red linen shirt")


def test_users_types_and_notes(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = [
        "--text",
        "silk qwertz",
        "--user",
        "user-0",
        "--user",
        "user-4",
        "--type",
        "shoe",
        "-k",
        "2",
        "--explain",
    ]
    _, out, _ = asked(capsys, path, *options, "--where", '{"price": {"<": 1}}')
    assert '"silk qwertz" for user-0: by taste and words (not known: qwertz)' in out
    assert "by words alone (nothing is known of what user-4 likes; not known: qwertz)" in out
    assert "1 of 2 items found; the strictest condition is price < 1" in out
    assert "bits agree with the request" in out
    _, out, _ = asked(capsys, path, "--text", "", "--user", "user-1", "-k", "1")
    assert "by taste alone (no words were given)" in out


def test_outfits_as_a_table(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = asked(
        capsys, path, "--text", "blue boots", "--user", "user-0", "--outfits", "-k", "3", "--weight", "30", "--explain"
    )
    answer = Recommender.load(path).outfits_for("blue boots", "user-0", 3, weight=30)
    lines = out.splitlines()
    assert "total =    score + 30 x request" in lines[1]
    for line, hit in zip(lines[2:5], answer.hits):
        assert [float(one) for one in line.split()[1:4]] == [
            round(value, 4) for value in (hit.total, hit.score, hit.request)
        ]
        assert f"*{hit.anchor} {hit.items[hit.anchor]}" in line
    assert f"{answer.hits[0].total:.4f} in all: words" in out
    assert f"score {answer.hits[0].score:.4f}" in out


def test_json(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = asked(capsys, path, "--text", "green wool", "--user", "user-2", "-k", "2", "--rerank", "--json")
    found = json.loads(out)
    hits = Recommender.load(path).search("green wool", "user-2", 2, rerank=True)
    assert found["text"] == "green wool"
    [answer] = found["answers"]
    assert (answer["user"], answer["by"], answer["reranked"]) == ("user-2", "taste and words", True)
    assert [one["item_id"] for one in answer["items"]] == hits.ids.tolist()
    assert [one["score"] for one in answer["items"]] == hits.scores.tolist()
    _, out, _ = asked(capsys, path, "--text", "green wool", "--outfits", "-k", "2", "--json", "--explain")
    [answer] = json.loads(out)["answers"]
    assert (answer["user"], answer["proven"], answer["weight"]) == (None, True, 100.0)
    assert set(answer["outfits"][0]) >= {"items", "total", "request", "anchor", "preference", "compatibility"}
    assert "in all: words" in answer["why"]


class Tags(html.parser.HTMLParser):
    """Counts classes, and fails on a tag that is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.classes: list[str] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.classes += str(dict(attrs).get("class") or "").split()
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("outfits", [False, True])
@pytest.mark.parametrize("users", [[], ["--user", "user-0", "--user", "user-4"]])
def test_sheets_and_pages(
    path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], outfits: bool, users: list[str]
) -> None:
    sheet, page = tmp_path / "sheet.png", tmp_path / "page.html"
    text = "red <b>linen</b> shirt 夏\udcff"  # a stray byte of a command line
    options = ["--text", text, "-k", "7", "--sheet", str(sheet), "--page", str(page), *users]
    status, out, _ = asked(capsys, path, *options, *(["--outfits"] if outfits else []))
    assert status == 0
    assert f"wrote {sheet}" in out
    assert Image.open(sheet).width >= 1000
    written, tags = page.read_text(encoding="utf-8"), Tags()
    tags.feed(written)
    assert not tags.open
    assert "“red &lt;b&gt;linen&lt;/b&gt; shirt 夏?”" in written
    answers = max(1, len(users) // 2)
    assert written.count("Liked before") == len(users) // 2
    assert tags.classes.count("anchor") == 7 * answers * outfits
    assert tags.classes.count("look") == 7 * answers


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], 'nothing to answer: give --user ID, --text "WORDS", or both'),
        (["--user", "user-0", "--outfits"], '--outfits needs a request: add --text "WORDS"'),
        (["--user", "user-0", "--weight", "0"], "--weight needs a request"),
        (["--user", "user-0", "--type", "top"], "--type needs a request"),
        (["--user", "user-0", "--encoder-weights", "x"], "--encoder-weights needs a request"),
        (["--text", "red", "--weight", "0"], "--weight applies to outfits: add --outfits"),
        (["--text", "red", "--outfits", "--rerank"], "--rerank applies to items: leave it or --outfits out"),
        (["--text", "red", "--outfits", "--type", "top"], "--type applies to items: leave it or --outfits out"),
        (["--text", "red", "--user", "user-0", "--include-liked"], "--include-liked applies to outfits of the pool"),
        (["--text", "red", "--type", "tops"], "no item type 'tops'"),
        (["--text", "red", "--outfits", "--weight", "nan"], "got nan"),
        (["--text", "red", "-k", "0"], "k must be at least 1, got 0"),
        (["--text", ""], "nothing to search by"),
        (["--text", "qwertz"], "no word of the request is known (qwertz), and no user is given"),
        (["--text", "red", "--user", "usr-0"], "unknown user 'usr-0': add new users"),
        (["--text", "red", "--where", "{"], "is not JSON"),
        (["--text", "red", "--sheet", "x.jpg"], "the name must end with .png, such as x.png"),
    ],
)
def test_bad_commands(path: str, capsys: pytest.CaptureFixture[str], options: list[str], message: str) -> None:
    status, out, err = asked(capsys, path, *options)
    assert (status, out) == (2, "")
    assert message in err
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
