"""What is searched, as options and as YAML."""

import pytest

from fashion_hash.errors import ConfigError
from fashion_hash.training.tuning.space import Choice, Range, overrides, read_space


def test_options():
    space = read_space(
        None, ["a=1e-3..1e-1:log", "b=8..64:8", "c=0.0..0.5", "d=x,[1, 2],null", "e=-3..-1", "f=true,false"]
    )
    assert space == {
        "a": Range(1e-3, 1e-1, log=True),
        "b": Range(8, 64, step=8),
        "c": Range(0.0, 0.5),
        "d": Choice(('"x"', "[1, 2]", "null")),
        "e": Range(-3, -1),
        "f": Choice(("true", "false")),
    }


def test_a_file_and_options_that_replace_its_keys(tmp_path):
    file = tmp_path / "space.yaml"
    file.write_text("a: [1, 2]\nb: {low: 1e-3, high: 1, log: true}\n")
    assert read_space(file, ["a=3,4"]) == {"a": Choice(("3", "4")), "b": Range(1e-3, 1, log=True)}


def test_what_was_drawn_becomes_overrides():
    assert overrides({"a": 0.5, "b": 8, "c": "[1, 2]"}) == ["a=0.5", "b=8", "c=[1, 2]"]


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ([], "nothing to search"),
        (["a"], "write it as section.key"),
        (["a="], "write it as section.key"),
        (["a=2..1"], "low must be less than high"),
        (["a=0..1:log"], "above 0 with log"),
        (["a=0.1..0.9:2"], "step is for whole numbers"),
        (["a=8..16:1.5"], "must be a whole number of at least 1"),
        (["a=x..y"], "must be numbers"),
        (["a=.nan..1"], "must be finite"),
        (["a=1..inf"], "must be"),
        (["a=1.0...inf"], "must be finite"),
        (["a=1,1"], "given twice"),
    ],
)
def test_what_is_written_wrongly_is_refused(over, message):
    with pytest.raises(ConfigError, match=message):
        read_space(None, over)


@pytest.mark.parametrize("text", ["a: 3", "a: {low: 1}", "a: {low: 1, high: 2, by: 3}", "- a", "a: []"])
def test_a_file_that_does_not_fit_is_named(tmp_path, text):
    (tmp_path / "space.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"space\.yaml"):
        read_space(tmp_path / "space.yaml", [])
