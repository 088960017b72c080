"""The one door: its names exist, are documented, and load torch only when they need it."""

import subprocess
import sys

import pytest

import fashion_hash


def test_every_public_name_is_there_and_documented():
    assert sorted(fashion_hash.__all__) == sorted(fashion_hash._WHERE)
    for name in fashion_hash.__all__:
        one = getattr(fashion_hash, name)
        assert name in dir(fashion_hash)
        assert isinstance(one, int) or one.__doc__, f"{name} has no docstring"


def test_an_unknown_name_is_an_attribute_error():
    assert not hasattr(fashion_hash, "Recomender")


def test_the_answering_half_is_reached_without_torch():
    script = (
        "import sys, fashion_hash as fh; fh.Recommender, fh.Bundle, fh.build_index, fh.Outfits, fh.load_dataset; "
        "assert 'torch' not in sys.modules, 'torch was imported'"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fashion_hash.evaluate("/tmp"), "evaluate needs a Run, got '/tmp': open a finished run"),
        (lambda: fashion_hash.fit("demo.yaml"), "fit needs a Config, got 'demo.yaml': read it with load_config"),
        (lambda: fashion_hash.export_bundle("runs/demo"), "export_bundle needs a Run, got 'runs/demo'"),
        (lambda: fashion_hash.build_index("bundle", None), "build_index needs a Bundle, got 'bundle'"),
        (lambda: fashion_hash.Recommender.load(None), "by the path of its folder, got None"),
    ],
)
def test_what_is_of_another_type_is_named(call, message):
    with pytest.raises(TypeError, match=message):
        call()
