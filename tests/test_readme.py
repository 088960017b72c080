"""What the README tells people to type exists and works; tests/test_docs.py runs its code and checks its commands."""

import re

import pytest

import fashion_hash
from tests.paths import PROJECT

README = (PROJECT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_the_first_screen_shows_what_it_is():
    first = README.partition("## ")[0]
    assert "](docs/images/outfits.jpg)" in first
    assert "make demo" in first
    assert "score = preference + compatibility" in first
    assert (PROJECT / "docs/images/outfits.jpg").stat().st_size < 200_000


def test_make_targets_exist():
    makefile = (PROJECT / "Makefile").read_text()
    documents = README + (PROJECT / "CONTRIBUTING.md").read_text()
    targets = re.findall(r"^ *make (\w+)", documents, flags=re.MULTILINE)
    assert "demo" in targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_public_names_in_the_code_exist():
    assert BLOCKS
    for block in BLOCKS:
        for name in re.findall(r"\bfh\.(\w+)", block):
            assert hasattr(fashion_hash, name), name


@pytest.mark.slow
def test_the_code_of_the_readme_learns(sample_root, tmp_path, monkeypatch, capsys):
    config = (PROJECT / "configs/demo.yaml").read_text().replace("polyvore_data", str(sample_root))
    (tmp_path / "demo.yaml").write_text(re.sub(r"epochs: \d+", "epochs: 1", config))
    monkeypatch.chdir(tmp_path)
    exec(compile(BLOCKS[0].replace("configs/demo.yaml", "demo.yaml"), "README.md", "exec"), {})
    assert 0.6 < float(capsys.readouterr().out.split()[0]) < 1
