"""What the README tells people to type exists and works."""

import re
import subprocess
import sys

import pytest

import fashion_hash
from tests.paths import PROJECT

README = (PROJECT / "README.md").read_text()
COMMANDS = [line.strip() for line in README.splitlines() if line.strip().startswith("python tools/")]
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_the_readme_has_commands_and_code():
    assert len(COMMANDS) >= 3
    assert BLOCKS


@pytest.mark.parametrize("tool", sorted({re.search(r"tools/(\w+)\.py", command)[1] for command in COMMANDS}))
def test_every_tool_knows_the_options_that_the_readme_gives_it(tool):
    known = subprocess.run(
        [sys.executable, str(PROJECT / f"tools/{tool}.py"), "--help"], capture_output=True, text=True, check=True
    ).stdout
    for command in COMMANDS:
        if f"tools/{tool}.py" in command:
            for option in re.findall(r"--[a-z-]+", command.replace("#", "")):
                sub = [sys.executable, str(PROJECT / f"tools/{tool}.py"), "check", "--help"]
                text = known if option in known else subprocess.run(sub, capture_output=True, text=True).stdout
                assert option in text, f"README: {command}"


def test_make_targets_exist():
    makefile = (PROJECT / "Makefile").read_text()
    documents = README + (PROJECT / "CONTRIBUTING.md").read_text()
    for target in re.findall(r"^    make (\w+)", documents, flags=re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_files_that_documents_link_to_exist():
    for name in ("README.md", "CONTRIBUTING.md", "docs/architecture.md", "configs/README.md"):
        document = PROJECT / name
        for link in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / link).exists(), f"{name} links to {link}"


def test_public_names_in_the_code_exist():
    for block in BLOCKS:
        for name in re.findall(r"\bfh\.(\w+)", block):
            assert hasattr(fashion_hash, name), name


@pytest.mark.slow
def test_the_code_of_the_readme_runs(sample_root, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(PROJECT)
    config = (PROJECT / "configs/demo.yaml").read_text().replace("polyvore_data", str(sample_root))
    config = re.sub(r"epochs: \d+", "epochs: 1", config)
    (tmp_path / "demo.yaml").write_text(config)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in BLOCKS:
        exec(compile(block.replace("configs/demo.yaml", "demo.yaml"), "README.md", "exec"), names)
    assert 0.4 < float(capsys.readouterr().out.split()[0]) < 1
