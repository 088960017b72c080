"""The console script: `fashion-hash COMMAND ...`, the same commands as tools/COMMAND.py."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

# command: its module in fashion_hash.commands, and what it does
COMMANDS = {
    "demo": ("demo", "make a sample, train on it, index it and show outfits, in a minute"),
    "make-sample": ("data.make_sample", "make a small data set with planted tastes"),
    "init": ("data.init", "look at a shop's tables and write a configuration for them"),
    "import-data": ("data.import_data", "check a data set before training on it"),
    "export-data": ("data.export_data", "write the data set of a configuration for RecBole"),
    "extract": ("data.extract", "extract vectors of any pictures into a store"),
    "extract-features": ("data.extract_features", "extract the image features of a configuration into its store"),
    "train": ("train", "train one experiment"),
    "export-live": ("data.export_live", "write what a live catalogue was told as tables"),
    "baselines": ("measure.baselines", "measure popularity, neighbours, EASE and other baselines"),
    "evaluate": ("evaluate", "measure a trained run"),
    "study": ("studies.study", "train variants with several seeds and compare them"),
    "tune": ("studies.tune", "look for the settings that are best on the validation split"),
    "build-index": ("build_index", "export a run as a bundle and index its outfits"),
    "words": ("data.words", "show or set what the words of requests mean in a bundle"),
    "forget": ("forget", "remove users for good and prove that nothing of them is left"),
    "export-codes": ("data.export_codes", "write the codes of a bundle for PostgreSQL, DuckDB or Parquet"),
    "query": ("query", "find the best outfits for a user, or items for a request"),
    "feedback": ("data.feedback", "write the feedback of a service as tables, or report it"),
    "serve": ("serving.serve", "answer over HTTP from one bundle or several"),
    "top-k": ("bulk.top_k", "write the best outfits of every user as Parquet"),
    "picture-vectors": ("bulk.picture_vectors", "write the vectors of pictures as Parquet"),
    "item-codes": ("bulk.item_codes", "write the codes that a bundle gives to new items as Parquet"),
    "rank-all": ("bulk.rank_all", "rank everything for everybody, and write where positives stand as Parquet"),
    "cluster": ("serving.cluster", "answer over HTTP, with pools divided among the machines of a Ray cluster"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a sub-command; returns its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        return _printed(_usage(), 0 if arguments else 2)
    if arguments[0] == "--version":
        from fashion_hash import __version__

        return _printed(f"fashion-hash {__version__}", 0)
    name, rest = arguments[0], arguments[1:]
    if name not in COMMANDS:
        from fashion_hash.errors import shown, suggest

        print(f"error: no command {shown(name)}{suggest(name, COMMANDS)}; see fashion-hash --help", file=sys.stderr)
        return 2
    return run(name, rest, f"fashion-hash {name}")


def _usage() -> str:
    commands = [f"  {name:18}{purpose}" for name, (_, purpose) in COMMANDS.items()]
    usage = "usage: fashion-hash COMMAND ...\n       fashion-hash --version\n"
    return "\n".join([usage, "commands (fashion-hash COMMAND --help describes one):", *commands])


def _printed(text: str, status: int) -> int:
    """Prints a text; returns the exit status."""
    from fashion_hash.commands.run_command import printing

    def show() -> int:
        print(text)
        return status

    return printing(show)


def run(name: str, argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Imports a command and runs it.

    It is imported only now: a query never loads torch, help is instant, and Ctrl-C while modules are
    loaded ends as quietly as later.

    Args:
        name: one of COMMANDS.
        argv: its arguments; None for those of the process.
        prog: the program that its help names; None for the script that runs.

    Returns:
        The exit status.
    """
    try:
        command = import_module(f"fashion_hash.commands.{COMMANDS[name][0]}")
        status: int = command.main(argv, prog)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return status


if __name__ == "__main__":
    raise SystemExit(main())
