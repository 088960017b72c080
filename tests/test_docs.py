"""The documents: their examples run, their commands exist, their links lead somewhere, their reference is whole."""

import doctest
import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import types
from pathlib import Path
from typing import NamedTuple

import pytest
from filelock import FileLock

import fashion_hash
import fashion_hash.cli
from fashion_hash.cli import COMMANDS
from tests.paths import PACKAGE, PROJECT
from tests.worlds.docs_world import make_docs_world

DOCS = PROJECT / "docs"
FENCE = re.compile(
    r'^```(?P<language>\w+)(?: title="(?P<title>[^"]+)")?[^\n]*\n(?P<text>.*?)^```$',
    re.MULTILINE | re.DOTALL,
)
LINK = re.compile(r"\]\((?!https?://|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)")


class Block(NamedTuple):
    """A block of code of a page, the line on which it begins, and the file of the package that it stands for."""

    language: str
    text: str
    line: int
    file: str | None


def pages():
    return [PROJECT / "README.md", *sorted(DOCS.rglob("*.md"))]


def blocks(page):
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            match["language"],
            match["text"],
            text.count("\n", 0, match.start("text")),
            match["title"],
        )
        for match in FENCE.finditer(text)
    ]


def name_of(page):
    return page.relative_to(PROJECT).as_posix()


WITH_CODE = [page for page in pages() if any(block.language in ("python", "pycon") for block in blocks(page))]


@pytest.fixture(scope="session")
def docs_world(tmp_path_factory):
    """The folder that the examples find; made once, whatever the number of processes."""
    shared = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shared = shared.parent
    folder = shared / "docs_world"
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            unfinished = shared / "docs_world.unfinished"
            unfinished.mkdir()
            make_docs_world(unfinished)
            unfinished.rename(folder)
    return folder


@pytest.fixture
def world(docs_world, tmp_path, monkeypatch):
    """A copy of the world for one page, which is where its examples run."""
    folder = tmp_path / "world"
    shutil.copytree(docs_world, folder, copy_function=os.link)  # files are replaced, never written to
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    return folder


def add_module(file, code):
    """A module of the package as if the file were there."""
    name = file.removesuffix(".py").replace("/", ".")
    module = types.ModuleType(name)
    exec(code, module.__dict__)
    sys.modules[name] = module
    owner, _, attribute = name.rpartition(".")
    setattr(importlib.import_module(owner), attribute, module)


@pytest.fixture
def tables():
    """The tables that pages add a line to, and the modules that they add, are afterwards as they were."""
    owners = {
        "fashion_hash.data.load": "FORMATS",
        "fashion_hash.evaluation.metrics": "RANKING_METRICS",
        "fashion_hash.index.engines.open": "ENGINES",
        "fashion_hash.models.make": "NETWORKS",
        "fashion_hash.training.losses": "RANKING_LOSSES",
    }
    kept = [getattr(importlib.import_module(module), table) for module, table in owners.items()]
    before = [dict(table) for table in kept]
    modules = set(sys.modules)
    yield
    for table, entries in zip(kept, before, strict=True):
        table.clear()
        table.update(entries)
    for name in set(sys.modules) - modules:
        if name.startswith("fashion_hash.") and not hasattr(sys.modules[name], "__file__"):
            owner, _, attribute = name.rpartition(".")
            delattr(sys.modules[owner], attribute)
            del sys.modules[name]


SMALL = {  # what the tutorial's commands get in addition, so that they take seconds
    "make-sample": ["--items", "100", "--users", "12", "--outfits-per-user", "12"],
    "train": ["--set", "train.epochs=2"],
}


def run_commands(block, where):
    for command in shell_lines(block):
        if command[0] == "fashion-hash":
            assert fashion_hash.cli.main([*command[1:], *SMALL.get(command[1], [])]) == 0, f"{where}: {command}"


def run_page(page):
    names = {"__name__": "__main__"}
    for block in blocks(page):
        where = f"{name_of(page)}:{block.line}"
        if block.language == "bash" and page.name == "tutorial.md":  # a diary: its commands make what its code asks
            run_commands(block, where)
        elif block.language == "python":
            code = compile("\n" * block.line + block.text, str(page), "exec")
            if block.file is None or (PROJECT / block.file).exists():
                exec(code, names)
            else:
                add_module(block.file, code)
        elif block.language == "pycon":
            test = doctest.DocTestParser().get_doctest(block.text, names, where, str(page), block.line)
            runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
            report = []
            runner.run(test, out=report.append, clear_globs=False)
            names.update(test.globs)
            assert not runner.failures, "".join(report)


@pytest.mark.parametrize("page", WITH_CODE, ids=name_of)
def test_the_examples_of_a_page_run(page, world, tables):
    run_page(page)


def test_there_are_examples_to_run():
    assert len(WITH_CODE) >= 10


def docstring_examples():
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))}
    with_examples = re.compile(r">>> (?!.*# doctest: \+SKIP)")
    names = [
        path.relative_to(PROJECT).with_suffix("").parts for path, text in texts.items() if with_examples.search(text)
    ]
    return [".".join(parts[:-1] if parts[-1] == "__init__" else parts) for parts in names]


@pytest.mark.parametrize("module", docstring_examples())
def test_the_examples_of_docstrings_run(module):
    failed, tried = doctest.testmod(importlib.import_module(module))
    assert tried
    assert not failed


# -- commands


def shell_lines(block):
    """The commands of a shell block, each as its words; continued lines are joined."""
    for line in block.text.replace("\\\n", " ").splitlines():
        for command in line.split(";"):
            words = shlex.split(command, comments=True)
            while words and "=" in words[0]:
                words = words[1:]  # a variable of the environment
            if words:
                yield words


def commands(page):
    """The commands of a page's shell blocks."""
    return [words for block in blocks(page) if block.language == "bash" for words in shell_lines(block)]


ALL_COMMANDS = [(page, words) for page in pages() for words in commands(page)]


def option_names(parser_help):
    return set(re.findall(r"(?<![\w-])--?[A-Za-z][\w-]*", parser_help))


@pytest.fixture(scope="session")
def help_of():
    """What `fashion-hash COMMAND --help` prints, by command."""
    kept = {}

    def read(command):
        if command not in kept:
            words = [command, "check"] if command == "import-data" else [command]
            done = subprocess.run(
                [sys.executable, "-m", "fashion_hash.cli", *words, "--help"],
                capture_output=True,
                text=True,
                check=True,
                cwd=PROJECT,
            )
            kept[command] = done.stdout
        return kept[command]

    return read


def test_the_commands_of_the_documents_exist(help_of):
    assert ALL_COMMANDS
    for page, words in ALL_COMMANDS:
        said = f"{name_of(page)}: {shlex.join(words)}"
        if words[0] == "make":
            makefile = (PROJECT / "Makefile").read_text()
            assert re.search(rf"^{words[1]}:", makefile, flags=re.MULTILINE), said
        elif words[0] == "python" and words[1].startswith(("tools/", "benchmarks/")):
            assert (PROJECT / words[1]).is_file(), said
            if words[1].startswith("tools/"):
                check_options(help_of(Path(words[1]).stem.replace("_", "-")), words[2:], said)
            else:
                check_benchmark(words[1], words[2:], said)
        elif words[:2] == ["python", "-m"]:
            assert (PROJECT / (words[2].replace(".", "/") + ".py")).is_file(), said
        elif words[0] == "fashion-hash":
            if len(words) > 1 and words[1] in COMMANDS:
                check_options(help_of(words[1]), words[2:], said)
            else:
                assert len(words) == 2, said
                assert words[1].startswith("-"), said
        else:
            assert words[0] in ("pip", "git", "cd", "ray"), f"{said}: a command that nothing checks"


def check_options(text, words, said):
    known = option_names(text)
    for word in words:
        if word.startswith("-") and not re.fullmatch(r"-\d+", word):
            assert word.partition("=")[0] in known, f"{said}: no option {word}"
        elif word.startswith("configs/"):
            assert (PROJECT / word).is_file(), f"{said}: no file {word}"


def check_benchmark(script, words, said):
    source = (PROJECT / script).read_text() + (PROJECT / "benchmarks/results.py").read_text()
    for word in words:
        if word.startswith("--"):
            assert f'"{word}"' in source, f"{said}: no option {word}"


# -- links


def anchors(page):
    """The anchors of a page's headings, as its site makes them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    heads = re.findall(r"^#+ +(.*?)(?: *\{#([\w-]+)\})?$", text, flags=re.MULTILINE)
    slugs = {
        mark or re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", head.replace("`", "")).strip().lower())
        for head, mark in heads
    }
    return slugs | set(re.findall(r'id="([\w-]+)"', text))


@pytest.mark.parametrize("page", [*pages(), PROJECT / "CONTRIBUTING.md", PROJECT / "configs/README.md"], ids=name_of)
def test_links_lead_to_files_and_headings(page):
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for target, anchor in LINK.findall(text):
        aimed = (page.parent / target).resolve() if target else page
        assert aimed.exists(), f"{name_of(page)} links to {target}"
        if page.is_relative_to(DOCS):
            assert aimed.is_relative_to(DOCS), f"{name_of(page)} links out of the site: {target}"
        if anchor and aimed.suffix == ".md":
            assert anchor in anchors(aimed), f"{name_of(page)} links to {target}#{anchor}"


# -- reference


def test_every_public_name_is_in_the_reference():
    text = "".join(page.read_text() for page in (DOCS / "reference").glob("*.md"))
    entries = re.findall(r"^::: fashion_hash\.([\w.]+)", text, flags=re.MULTILINE)
    for name in fashion_hash.__all__:
        assert name in entries, f"::: fashion_hash.{name} is missing from docs/reference"
    for entry in entries:
        owner, _, name = f"fashion_hash.{entry}".rpartition(".")
        assert hasattr(importlib.import_module(owner), name) or importlib.import_module(f"{owner}.{name}"), entry


def test_every_command_is_in_the_reference():
    text = (DOCS / "reference/commands.md").read_text()
    for command in COMMANDS:
        assert f"## {command}\n" in text, command
