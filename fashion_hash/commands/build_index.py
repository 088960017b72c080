"""Export a run and index its outfits: tools/build_index.py runs/NAME [--outfits FILE] [--out DIR]."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from fashion_hash.commands.run_command import run_command

# partner lists make composition fast; of so many items a type they take a minute or two, and that squared
PARTNERS_UP_TO = 30_000


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="build-index", description="Write the bundle of a run and the index of its outfit pool."
    )
    parser.add_argument("run", help="a run folder, such as runs/demo")
    parser.add_argument("--out", metavar="DIR", help="the bundle folder (default: RUN/bundle)")
    parser.add_argument(
        "--outfits",
        metavar="FILE",
        help="the pool: CSV or JSONL of outfits (default: the data set's distinct outfits)",
    )
    return run_command(parser, _build, argv)


def _build(args: argparse.Namespace) -> int:
    from fashion_hash.data.formats.shop import read_outfits_file
    from fashion_hash.errors import ConfigError
    from fashion_hash.index.build import build_index
    from fashion_hash.index.partners import build_partners
    from fashion_hash.training.export.bundle import export_bundle
    from fashion_hash.training.export.requests import export_requests, single_items
    from fashion_hash.training.requests.run import RequestRun, open_run
    from fashion_hash.training.runs.run import Run, load_data

    run = open_run(args.run)
    ids: list[str] | None
    if isinstance(run, RequestRun) and run.config.outfits is None:
        if args.outfits:
            raise ConfigError(f"--outfits: {args.run} is of single items; name its run on outfits in its configuration")
        bundle = export_requests(run, args.out)
        ids, pool = single_items(bundle)
    else:
        dataset = load_data(Run.open(str(run.config.outfits)).config if isinstance(run, RequestRun) else run.config)
        ids, pool = None, dataset.outfits
        if args.outfits:
            ids, pool = read_outfits_file(args.outfits, dataset.slots, dataset.items)
        if isinstance(run, RequestRun):
            bundle = export_requests(run, args.out)
        else:
            bundle = export_bundle(run, args.out, dataset)
    build_index(bundle, pool, ids)
    if max(len(bundle.items[kind]) for kind in bundle.types) <= PARTNERS_UP_TO:
        build_partners(bundle)
    print(
        f"wrote {bundle.path}: {len(bundle.users)} users, "
        + ", ".join(f"{len(bundle.items[kind])} {kind} items" for kind in bundle.types)
        + f", {bundle.num_bits} bits x {len(bundle.modalities)} modalities, {len(pool)} outfits indexed"
    )
    return 0
