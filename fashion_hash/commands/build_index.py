"""Export a run as a bundle and index its outfits."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_hash.commands.run_command import Parser, check_writable, run_command
from fashion_hash.errors import counted, item_noun

if TYPE_CHECKING:
    from fashion_hash.bundle.bundle import Bundle
    from fashion_hash.core.outfits import Outfits
    from fashion_hash.data.told.told import Told
    from fashion_hash.training.requests.run import RequestRun
    from fashion_hash.training.runs.run import Run

# partner lists make composition fast; for this many items a type they take a minute or two, growing with the square
PARTNERS_UP_TO = 30_000
USERS_ON_A_PAGE = 3


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = Parser(prog=prog, description="Export a run as a bundle and index its pool of outfits.")
    parser.add_argument("run", help="a run folder, such as runs/demo")
    parser.add_argument("--out", metavar="DIR", help="the bundle folder (default: RUN/bundle)")
    parser.add_argument(
        "--outfits",
        metavar="FILE",
        help="the pool, a CSV or JSONL file of outfits (default: the distinct outfits of the data set)",
    )
    parser.add_argument(
        "--no-onnx",
        action="store_true",
        help="leave out the network that reads pictures: new items then need features (saves the size of the network)",
    )
    parser.add_argument(
        "--user-code",
        choices=("bits", "bytes", "floats"),
        help="what is kept of the codes of users: the signs, a byte for each, or all of it; no training is needed "
        "(default: as the run says, user.code)",
    )
    parser.add_argument("--page", metavar="FILE", help="also write a page of the best outfits for a few users (.html)")
    return run_command(parser, _build, argv)


def _build(args: argparse.Namespace) -> int:
    from fashion_hash.bundle.generations import latest, next_generation, remove_unused
    from fashion_hash.core.files import sweep
    from fashion_hash.core.locks import hold
    from fashion_hash.errors import BundleError
    from fashion_hash.index.build import build_index
    from fashion_hash.index.partners import build_partners
    from fashion_hash.retrieval.generations.carry import switch
    from fashion_hash.training.requests.run import RequestRun, open_run

    if args.page:
        check_writable("--page", args.page, ".html")
    run = open_run(args.run)
    path = Path(args.out) if args.out else run.path / "bundle"
    with hold(path, "building the bundle", BundleError):
        sweep(path.parent, path.name)
        with next_generation(path) as folder:  # beside the present one, which answers meanwhile
            if isinstance(run, RequestRun) and run.config.outfits is None:
                bundle, pool, ids = _export_items(run, folder, args)
            else:
                bundle, pool, ids = _export_outfits(run, folder, args)
            build_index(bundle, pool, ids)
            if max(len(bundle.items[item_type]) for item_type in bundle.types) <= PARTNERS_UP_TO:
                build_partners(bundle)
        carried = switch(path, latest(path), _trained_on(run))
        remove_unused(path)
    print(
        f"wrote {path}: {counted(len(bundle.users), 'user')}, "
        + ", ".join(counted(len(bundle.items[item_type]), item_noun(item_type)) for item_type in bundle.types)
        + f", {bundle.num_bits} bits x {counted(len(bundle.modalities), 'modality', 'modalities')}, "
        f"{counted(len(pool), 'outfit')} indexed"
    )
    for line in carried.lines():
        print(line)
    return _write_page(path, args.page) if args.page else 0


def _write_page(path: Path, page: str) -> int:
    """Shows the best outfits of the first users, as `fashion-hash query` does, and writes them to a page."""
    from fashion_hash.bundle.bundle import Bundle
    from fashion_hash.commands import query

    users = Bundle.open(path).users
    asked = [argument for row in range(min(USERS_ON_A_PAGE, len(users))) for argument in ("--user", users.id(row))]
    return query.main([str(path), *asked, "-k", "5", "--page", page])


def _trained_on(run: Run | RequestRun) -> Told | None:
    """What the training took from a live catalogue, so that it is not told to the bundle again."""
    from fashion_hash.data.told.tables import read_told
    from fashion_hash.training.requests.run import RequestRun

    if isinstance(run, RequestRun) or run.config.data.live is None:
        return None
    return read_told(Path(run.config.data.live))


def _export_items(run: RequestRun, path: Path, args: argparse.Namespace) -> tuple[Bundle, Outfits, list[str] | None]:
    """A bundle of single items; its pool holds each item as an outfit."""
    from fashion_hash.errors import ConfigError
    from fashion_hash.training.export.requests import export_requests, single_items

    for option, given in (("--outfits", args.outfits), ("--user-code", args.user_code)):
        if given:
            raise ConfigError(
                f"{option}: {args.run} was trained on single items; name a run on outfits in its configuration"
            )
    bundle = export_requests(run, path)
    ids, pool = single_items(bundle)
    return bundle, pool, ids


def _export_outfits(
    run: Run | RequestRun, path: Path, args: argparse.Namespace
) -> tuple[Bundle, Outfits, list[str] | None]:
    """A bundle of outfits, its pool and, if a file gave the pool, the ids of the outfits."""
    from fashion_hash.data.formats.shop import read_outfits_file
    from fashion_hash.training.export.bundle import Kept, export_bundle
    from fashion_hash.training.export.requests import export_requests
    from fashion_hash.training.requests.run import RequestRun
    from fashion_hash.training.runs.run import Run, load_data

    of_outfits = Run.open(str(run.config.outfits)) if isinstance(run, RequestRun) else run
    dataset = load_data(of_outfits.config, folder=of_outfits.path)
    ids, pool = None if dataset.pool is None else list(dataset.pool.ids), dataset.outfits
    if args.outfits:
        ids, pool = read_outfits_file(args.outfits, dataset.slots, dataset.items)
    kept: Kept = {"onnx": False if args.no_onnx else None, "user_code": args.user_code}
    if isinstance(run, RequestRun):
        return export_requests(run, path, **kept), pool, ids
    return export_bundle(run, path, dataset, **kept), pool, ids
