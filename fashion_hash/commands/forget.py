"""Remove users from a bundle for good, and prove that nothing of them is left."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_hash.commands.run_command import Parser, run_command

if TYPE_CHECKING:
    from fashion_hash.data.splits.removed_list import RemovedUsers
    from fashion_hash.live.forgetting.remove import Removed

MOST_LINES = 20  # of files that are listed for a user


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = Parser(
        prog=prog,
        description="Remove users from a bundle, erase them from its files, and search every file for their ids.",
    )
    parser.add_argument("bundle", help="a bundle folder, such as runs/demo/bundle")
    parser.add_argument("--user", action="append", default=[], metavar="ID", help="a user; may be given several times")
    parser.add_argument("--users", metavar="FILE", help="a text file with an id on each line")
    parser.add_argument(
        "--run", metavar="RUN", help="also erase them from this run folder, older runs and live tables beside it"
    )
    return run_command(parser, _forget, argv)


def _forget(args: argparse.Namespace) -> int:
    from fashion_hash.bundle.generations import remove_unused
    from fashion_hash.errors import QueryError, counted
    from fashion_hash.feedback.store import FeedbackStore, feedback_folder
    from fashion_hash.live.forgetting.runs import erase_from_runs

    users = [*args.user, *(_lines(Path(args.users)) if args.users else ())]
    if not users:
        raise QueryError("no user is given: name one with --user, or a file with --users")
    bundle = Path(args.bundle)
    outcome, removed = _remove(bundle, users)
    if args.run:
        removed.write(Path(args.run) / "suppressed.json")
    FeedbackStore(feedback_folder(bundle)).forget(users)
    remove_unused(bundle)
    print(f"removed {len(outcome.removed)} of {counted(len(users), 'user')} from {bundle}", end="")
    unknown = counted(len(outcome.unknown), "was", "were")
    print(f"; {unknown} not in it, and kept out from now on" if outcome.unknown else "")
    for folder in erase_from_runs(Path(args.run), removed) if args.run else ():
        print(f"erased from {folder}: train again before a run that was trained on it is exported")
    return _prove(users, bundle, Path(args.run) if args.run else None)


def _remove(bundle: Path, users: Sequence[str]) -> tuple[Removed, RemovedUsers]:
    """Removes users from the bundle and erases them from its files; also where `build-index` switches meanwhile."""
    from fashion_hash.errors import BundleError
    from fashion_hash.live.catalogue import LiveCatalogue
    from fashion_hash.live.compaction import compact
    from fashion_hash.live.forgetting.remove import ERASE, Removed, remove_users, removed_users

    known: set[str] = set()
    while True:
        live = LiveCatalogue(bundle)
        try:
            outcome = remove_users(live, users, strict=False)
            known.update(outcome.removed)
            compact(live)
            if not live.has_moved():
                if live.ask(lambda store: store.meta(ERASE)) is None:
                    unknown = [user_id for user_id in outcome.unknown if user_id not in known]
                    return Removed([user_id for user_id in users if user_id in known], unknown), removed_users(live)
                raise BundleError(
                    f"{bundle}: the users are removed, but another process reads or compacts the file of changes, so "
                    "that deleted pages are still in it: run the command again"
                )
        except BundleError:
            if not live.has_moved():
                raise
        finally:
            live.close()


def _prove(users: Sequence[str], bundle: Path, run: Path | None) -> int:
    """Searches all files, prints what is found, and returns 1 when something is left."""
    from fashion_hash.errors import counted, visible
    from fashion_hash.live.forgetting.search import ENCODINGS, PROVES_FROM, files_of, search

    folders = [bundle, *_with_older(run)]
    files = files_of(folders)
    size = sum(file.stat().st_size for file in files if file.exists())
    print(f"searched {counted(len(files), 'file')}, {counted(size, 'byte')}, for each id in {', '.join(ENCODINGS)}")
    left = 0
    for user_id in users:
        found = list(search(user_id, files))
        whole = [occurrence for occurrence in found if occurrence.whole]
        chance = [occurrence for occurrence in found if not occurrence.whole]
        left += bool(whole)
        total = sum(occurrence.times for occurrence in chance)
        name = repr(user_id)
        if whole:
            print(f"{name} is still in {counted(len(whole), 'file')}, which this command does not write:")
            for occurrence in whole[:MOST_LINES]:
                print(f"  {visible(str(occurrence.file))}{_other_generation(bundle, occurrence.file)}")
        elif chance:
            print(
                f"{name} is nowhere as a value or a word. Its bytes occur {counted(total, 'time')} in "
                f"{counted(len(chance), 'file')} as parts of longer words and numbers; ids of less than {PROVES_FROM} "
                "bytes do so by chance"
            )
        else:
            print(f"{name}: not one sequence of its bytes is left")
    _print_data(users, run)
    if run is None:
        _print_runs(users, bundle)
    return int(left > 0)


def _with_older(run: Path | None) -> list[Path]:
    """A run folder, older runs and the live tables beside it."""
    from fashion_hash.live.forgetting.runs import beside

    return [] if run is None else [run, *beside(run)]


def _other_generation(bundle: Path, file: Path) -> str:
    """What becomes of a file in a generation of the bundle that is not current; nothing for other files."""
    from fashion_hash.bundle.generations import number_of

    current, number = number_of(bundle, None), number_of(bundle, file)
    if number is None or current is None or number == current:
        return ""
    if number > current:
        return " (being built: `fashion-hash build-index` erases removed users before it makes it current)"
    return " (older, and still open in another process: it is removed when that process has moved over)"


def _print_runs(users: Sequence[str], bundle: Path) -> None:
    """Names the run that the bundle lies in, and runs beside it, that hold the ids: --run erases them there."""
    from fashion_hash.errors import counted, visible
    from fashion_hash.live.forgetting.search import files_of, search

    run = bundle.resolve().parent
    if not (run / "config.yaml").is_file():
        print("runs were not searched: --run RUN also erases users from the files of a run")
        return
    inside = set(files_of([bundle]))
    for folder in _with_older(run):
        files = [file for file in files_of([folder]) if file not in inside]
        holding = sum(any(place.whole for place in search(user_id, files)) for user_id in users)
        if holding:
            still = f"{visible(str(folder))} still holds {counted(holding, 'of these users', 'of these users')}"
            print(f"{still}: erase them there with --run {visible(str(run))}")


def _print_data(users: Sequence[str], run: Path | None) -> None:
    """Names the files of the data set that hold the ids: they are the owner's to clean."""
    from fashion_hash.config.experiment import Config, load_experiment
    from fashion_hash.errors import visible
    from fashion_hash.live.forgetting.search import files_of, search

    if run is None or not (run / "config.yaml").is_file():
        return
    config = load_experiment(run / "config.yaml")
    root = Path(str(config.data.root))
    if not root.exists():
        print(f"the data set of {run} is not at {root}: clean it where it is")
        return
    split = config.data.split if isinstance(config, Config) else None
    shared = [Path(split.file)] if split is not None and split.file is not None else []
    files = files_of([root, *(path for path in shared if path.exists())])
    holding = {str(place.file) for user_id in users for place in search(user_id, files) if place.whole}
    if holding:
        print(f"files of the data set hold ids and are left to you ({len(holding)}):")
        for name in sorted(holding)[:MOST_LINES]:
            print(f"  {visible(name)}")


def _lines(path: Path) -> list[str]:
    from fashion_hash.errors import DataError

    try:
        return [line for line in path.read_text(encoding="utf-8").splitlines() if line]
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error})") from None
