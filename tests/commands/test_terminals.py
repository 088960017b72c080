"""What commands print is safe for every terminal, their help names the program, and Ctrl-C is quiet."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fashion_hash import cli
from fashion_hash.bundle.write import write_bundle
from fashion_hash.commands.query import main
from fashion_hash.index.build import build_index
from fashion_hash.retrieval.recommender import Recommender
from tests.paths import PROJECT
from tests.worlds.random_bundles import random_contents, random_pool

EVIL = "a\x1b[31m\x07\n\r\t\x9b\u202e\u2066b"
RAW = set(EVIL) - {"a", "b", "[", "3", "1", "m", "\n"}
TOOLS = sorted(path.stem for path in (PROJECT / "tools").glob("*.py") if path.stem.replace("_", "-") in cli.COMMANDS)


@pytest.fixture(scope="module")
def bundle_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every id, title, slot and name is hostile, and some letters exist in few encodings."""
    plain = random_contents(slots=("top", "bottom"), num_items=6, num_users=3)
    ids = {kind: tuple(f"{EVIL}👗{one}" for one in items) for kind, items in plain.items.items()}
    details = {kind: {one: {"title": f"{EVIL} 夏 {one}"} for one in items} for kind, items in ids.items()}
    users = tuple(f"{EVIL}夏{user}" for user in plain.users)
    contents = random_contents(
        slots=("top", "bottom"), num_items=6, num_users=3, items=ids, details=details, users=users, name=EVIL
    )
    bundle = write_bundle(tmp_path_factory.mktemp("hostile") / "bundle", contents)
    build_index(bundle, random_pool(bundle, 12), [f"{EVIL}-{number}" for number in range(12)])
    return bundle.path


@pytest.fixture(scope="module")
def user(bundle_path: Path) -> str:
    return str(Recommender.load(bundle_path).bundle.users.id(0))


def test_ids_and_titles_never_steer_the_terminal(
    bundle_path: Path, user: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(bundle_path), "--user", user, "-k", "3"]) == 0
    out = capsys.readouterr().out
    assert not RAW & set(out)
    assert len(out.splitlines()) == 2 + 3 + 1  # no id adds a line
    assert out.startswith(r"a\x1b[31m\x07\n\r\t\x9b\u202e\u2066b夏")
    assert main([str(bundle_path), "--user", user, "-k", "3", "--json"]) == 0
    out = capsys.readouterr().out
    assert not RAW & set(out)
    assert list(json.loads(out)["users"]) == [user]
    for wrong in (["--user", EVIL], ["--user", user, "--where", f'{{"{EVIL}": 1}}'], ["--user", user, "--page", EVIL]):
        assert main([str(bundle_path), *wrong]) == 2
        out, err = capsys.readouterr()
        assert not RAW & set(out + err)
        assert err.count("\n") == 1
    with pytest.raises(SystemExit):
        main([str(bundle_path), "--usr", EVIL])
    assert not RAW & set(capsys.readouterr().err)


@pytest.mark.parametrize(
    ("options", "encoding"),
    [
        ([], "ascii"),
        (["--json"], "latin-1"),
        pytest.param([], "latin-1", marks=pytest.mark.slow),
        pytest.param(["--json"], "ascii", marks=pytest.mark.slow),
    ],
)
def test_a_terminal_that_is_not_utf_8(bundle_path: Path, user: str, encoding: str, options: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, str(PROJECT / "tools/query.py"), str(bundle_path), "--user", user, "-k", "2", *options],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode(encoding)
    if options:
        assert list(json.loads(text)["users"]) == [user]
    else:
        assert r"\U0001f457" in text
        assert r"\u590f" in text


@pytest.mark.parametrize(
    "arguments",
    [
        ["--user", "a" * 10**6],
        ["--user", "0", "--where", "a" * 10**6],
        ["--user", "0", "--where", "9" * 10**6],
        ["--user", "0", "--where", '{"not":' * 10**5],
        ["--user", "0", "--where", '{"not":' * 900 + '{"price": 1}' + "}" * 900],
        ["--user", "0", "--where", '{"price": "' + "a" * 10**6 + '"}'],
        ["--user", "0", "--page", "a" * 10**6 + ".html"],
        ["--user", "0", "--sheet", "a" * 10**6],
        ["--usr", "a" * 10**6],
        ["--type", "a" * 10**6, "--text", "a" * 10**6],
    ],
    ids=range(10),
)
def test_enormous_arguments_are_one_short_line(
    bundle_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    try:
        status = main([str(bundle_path), *arguments])
    except SystemExit as ended:
        status = int(str(ended.code))
    out, err = capsys.readouterr()
    error = err[err.index("error: ") :]
    assert (status, out) == (2, "")
    assert len(error) < 2000
    assert error.count("\n") == 1


@pytest.mark.parametrize("tool", TOOLS)
def test_help_names_the_program(tool: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    name = tool.replace("_", "-")
    with pytest.raises(SystemExit) as ended:
        cli.main([name, "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: fashion-hash {name} ")
    monkeypatch.setattr(sys, "argv", [f"tools/{tool}.py", "--help"])
    with pytest.raises(SystemExit):
        cli.run(name)
    assert capsys.readouterr().out.startswith(f"usage: {tool}.py ")


def test_there_is_a_tool_for_each_command() -> None:
    assert {"query", "train", "evaluate", "build_index", "import_data", "make_sample", "extract_features"} <= set(TOOLS)


def test_an_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["qeury" + EVIL]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: no command 'qeurya")
    assert not RAW & set(err)
    assert cli.main(["a" * 10**6]) == 2
    assert len(capsys.readouterr().err) < 300
    assert cli.main([]) == 2
    assert "query" in capsys.readouterr().out


@pytest.mark.parametrize(("tool", "module"), [("query", "numpy"), ("train", "pydantic")])
def test_an_early_ctrl_c_is_quiet(tool: str, module: str, tmp_path: Path) -> None:
    """The interrupt arrives while the command imports its first large module."""
    (tmp_path / f"{module}.py").write_text("import sys, time\nprint('importing', file=sys.stderr)\ntime.sleep(60)\n")
    arguments = ["runs/none", "--user", "0"] if tool == "query" else ["none.yaml"]
    code = (
        "import runpy, sys; sys.path.insert(0, sys.argv[1]); sys.argv = sys.argv[2:]; "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path), str(PROJECT / f"tools/{tool}.py"), *arguments],
        stderr=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # not ignored, as in the background
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "importing\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "interrupted\n")


def run_cli(redirected: str, *arguments: str) -> tuple[int, str, str]:
    """The exit status, stdout and stderr of a command with redirected streams, such as ">&-"."""
    command = f'"$0" -m fashion_hash.cli "$@" {redirected}'
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        ["sh", "-c", command, sys.executable, *arguments], cwd=PROJECT, env=environment, capture_output=True, text=True
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_closed_stdout_is_no_fault(bundle_path: Path, user: str, options: list[str]) -> None:
    assert run_cli(">&-", "query", str(bundle_path), "--user", user, *options) == (0, "", "")
    assert run_cli(">&-", "--help") == (0, "", "")


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
def test_errors_never_go_to_stdout(tmp_path: Path) -> None:
    assert run_cli("2>&-", "query", str(tmp_path), "--user", "u") == (2, "", "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
def test_a_full_disk_under_a_stream_is_one_line_or_none(bundle_path: Path, user: str) -> None:
    for arguments in (["--help"], ["query", str(bundle_path), "--user", user]):
        status, _, err = run_cli(">/dev/full", *arguments)
        assert (status, err.count("\n")) == (2, 1)
        assert err.startswith("error: no space left on the device")
    assert run_cli("2>/dev/full", "query", str(bundle_path / "nowhere"), "--user", "u")[0] == 2


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_a_reader_that_has_gone_is_no_fault(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        command = [sys.executable, "-m", "fashion_hash.cli", *arguments]
        done = subprocess.run(command, cwd=PROJECT, stdout=writing, stderr=subprocess.PIPE, text=True)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")
