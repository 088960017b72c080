"""What the query command takes to tell, to leave out and to vary."""

import json
from pathlib import Path
from typing import Any

import pytest

from fashion_hash.commands.query import main
from fashion_hash.index.build import build_index
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.random_bundles import random_bundle, random_pool


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    bundle = random_bundle(tmp_path_factory.mktemp("bundles") / "bundle", num_items=9)
    build_index(bundle, random_pool(bundle, 80))
    return bundle.path


def asked(capsys: pytest.CaptureFixture[str], path: Path, *options: str) -> list[str]:
    """The ids of the outfits of the first user."""
    assert main([str(path), "--json", "-k", "6", *options]) == 0
    users = json.loads(capsys.readouterr().out)["users"]
    return [hit["outfit_id"] for hit in next(iter(users.values()))["hits"]]


def test_the_options_are_those_of_recommend(path: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    recommender = Recommender.load(path)
    first, second, *_ = recommender.recommend("user-1", 6).ids.tolist()
    cases: list[tuple[list[str], str | None, dict[str, Any]]] = [
        (["--user", "user-1", "--skip", "6"], "user-1", {"skip": 6}),
        (["--user", "user-1", "--max-per", "item=2"], "user-1", {"max_per": {"item": 2}}),
        (["--user", "user-1", "--diversity", "0.7"], "user-1", {"diversity": 0.7}),
        (
            ["--user", "user-1", "--exclude", "top=top-1", "--exclude", "top=top-2", "--exclude-outfit", first],
            "user-1",
            {"exclude": {"top": ["top-1", "top-2"]}, "exclude_outfits": [first]},
        ),
        (["--liked", first, "--disliked", second], None, {"liked": [first], "disliked": [second]}),
        (["--popular"], None, {"by": "popular"}),
        (["--user", "user-1", "--page", str(tmp_path / "p.html")], "user-1", {"max_per": {"item": 1}}),
        (["--user", "user-1", "--page", str(tmp_path / "p.html"), "--max-per", "none"], "user-1", {}),
    ]
    for options, user, expected in cases:
        assert asked(capsys, path, *options) == recommender.recommend(user, 6, **expected).ids.tolist(), options
    assert main([str(path), "--popular", "-k", "2"]) == 0
    assert capsys.readouterr().out.startswith("anyone: best 2 of 80 outfits")


def test_page_and_sheet_say_that_each_item_is_shown_once(
    path: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    assert main([str(path), "--user", "user-1", "-k", "4", "--page", str(page)]) == 0
    assert "of 80 · each item once" in page.read_text(encoding="utf-8")
    assert main([str(path), "--user", "user-1", "-k", "4", "--page", str(page), "--max-per", "item=3"]) == 0
    assert "each item at most 3 times" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--user", "user-1", "--exclude", "top-1"], "--exclude must be TYPE=ITEM, such as top=t-12, got 'top-1'"),
        (["--user", "user-1", "--exclude", "top=top-99"], "unknown top 'top-99'"),
        (["--user", "user-1", "--max-per", "item"], "--max-per must be NAME=N"),
        (["--user", "user-1", "--max-per", "item=two"], "--max-per 'item=two': 'two' is not a whole number"),
        (["--user", "user-1", "--max-per", "item=0"], "max_per['item'] must be at least 1, got 0"),
        (["--user", "user-1", "--skip", "-1"], "skip must be at least 0, got -1"),
        (["--user", "user-1", "--half-life", "3"], "half_life applies to popularity"),
        (["--text", "red", "--popular"], "--popular applies to outfits of the pool"),
        (["--text", "red", "--diversity", "0.5"], "--max-per and --diversity apply to outfits"),
        ([], "nothing to answer"),
    ],
)
def test_bad_options_are_one_line(
    path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert main([str(path), *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1


def test_fewer_outfits_than_asked_for_say_why(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nothing = ["--user", "user-1", "--user", "user-2", "--where", '{"title": "no such title"}']
    assert main([str(path), *nothing]) == 0
    assert capsys.readouterr().out.count("0 of 10 outfits found: the pool holds 80; none of them") == 2
    assert main([str(path), "--json", *nothing]) == 0
    users = json.loads(capsys.readouterr().out)["users"]
    assert [answer["shortfall"]["found"] for answer in users.values()] == [0, 0]
    assert main([str(path), "--json", "--user", "user-1"]) == 0
    assert json.loads(capsys.readouterr().out)["users"]["user-1"]["shortfall"] is None
