"""`fashion-hash demo [FOLDER]`: the sample, a trained model, an index, and outfits for three users as pictures."""

from __future__ import annotations

import argparse
import io
import shutil
import sys
from collections.abc import Sequence
from contextlib import chdir, redirect_stdout
from pathlib import Path

import fashion_hash
from fashion_hash.commands.run_command import Parser, run_command
from fashion_hash.core.extras import require_extra
from fashion_hash.core.files import write_text
from fashion_hash.errors import DataError

USERS = ("0", "1", "2")
BUNDLE = "runs/demo/bundle"
PAGE = "demo_output/outfits.html"


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = Parser(
        prog=prog,
        description="Make the sample, train a model on it, index its outfits, measure it, and show the best ones for "
        "three users. This takes about a minute.",
    )
    parser.add_argument(
        "folder", nargs="?", default="fashion_hash_demo", help="where to work (default: ./fashion_hash_demo)"
    )
    return run_command(parser, _demo, argv)


def configs_folder() -> Path:
    """The configurations: configs/ of a clone, or the copy that the wheel installs as fashion_hash/configs."""
    package = Path(fashion_hash.__file__).resolve().parent
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def _demo(args: argparse.Namespace) -> int:
    require_extra("train", "the demo", "torch", "torchvision", "lmdb", "matplotlib")  # before a folder is made
    folder = Path(args.folder)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "configs/demo.yaml").is_file():
        raise DataError(f"{folder} holds other files: name a new folder for the demo, or that of an earlier one")
    folder.mkdir(parents=True, exist_ok=True)
    with chdir(folder):
        if not Path("configs").exists():
            shutil.copytree(configs_folder(), "configs", ignore=shutil.ignore_patterns("__pycache__", "*.py"))
        status = _steps()
    if status == 0:
        program = "fashion-hash" if shutil.which("fashion-hash") else f"{sys.executable} -m fashion_hash.cli"
        place = "" if folder.resolve() == Path.cwd() else f"cd {folder} && "
        print(f"wrote {folder / PAGE}: open it in a browser")
        print(f"go on with: {place}{program} query {BUNDLE} --user 7 -k 10")
        print(f"or play stylist in a browser: {place}{program} serve {BUNDLE}")
    return status


def _measure() -> int:
    """Writes the figures that the page of the model shows beside those of baselines."""
    from fashion_hash.commands import evaluate

    with redirect_stdout(io.StringIO()) as report:
        status = evaluate.main(["runs/demo", "--json"])
    if status == 0:
        write_text(Path("runs/demo/evaluation.json"), report.getvalue())
    return status


def _steps() -> int:
    """Runs the commands one after another in the current folder; returns the first exit status that is not 0."""
    from fashion_hash.commands import build_index, query, train
    from fashion_hash.commands.data import make_sample

    users = [argument for user in USERS for argument in ("--user", user)]
    status = (
        make_sample.main(["--out", "polyvore_data", "--seed", "0", "--variable"])
        or train.main(["configs/demo.yaml"])
        or build_index.main(["runs/demo"])
        or _measure()
        or query.main([BUNDLE, *users, "-k", "5", "--page", PAGE])
    )
    for user in USERS:
        if status == 0:
            sheet = f"demo_output/outfits-{user}.png"
            with redirect_stdout(io.StringIO()):  # the tables were printed above
                status = query.main([BUNDLE, "--user", user, "-k", "5", "--sheet", sheet])
            print(f"wrote {sheet}")
    return status
