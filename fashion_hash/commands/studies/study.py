"""Train variants of an experiment with several seeds, and compare them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_hash.commands.run_command import Parser, run_command

if TYPE_CHECKING:
    from fashion_hash.training.studies.plan import Study


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = Parser(
        prog=prog,
        description="Train variants of an experiment with several seeds, measure each run once, and compare the "
        "variants with the first one. Finished runs are not trained again, and interrupted ones go on.",
    )
    parser.add_argument(
        "config", nargs="+", help="a study (a YAML file with the section variants), or one or more configurations"
    )
    parser.add_argument("--seeds", metavar="N", help="5 for the seeds 0 to 4, or 0,3,7 for these (default: 3)")
    parser.add_argument(
        "--vary",
        action="append",
        default=[],
        metavar="KEY=VALUES",
        help="such as model.num_bits=64,128,256; of several, all combinations are trained",
    )
    parser.add_argument(
        "--variant",
        action="append",
        default=[],
        metavar="'NAME: CHANGES'",
        help="a variant of several changes, such as 'plain: teacher=null contrastive=null'; may be repeated",
    )
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a key of every run")
    parser.add_argument("--split", help="train, valid or test (default: test, or as the study says)")
    parser.add_argument("--drawn", action="store_true", help="also rank against drawn negatives, as evaluate --drawn")
    parser.add_argument("--full", action="store_true", help="make full rankings of any size, as evaluate --full")
    parser.add_argument(
        "--figures", metavar="NAMES", help="what the tables show, such as 'rank_random auc,rank_hard auc'"
    )
    parser.add_argument(
        "--against", metavar="NAME", help="the variant that others are compared with (default: the first)"
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        help="the folder of the study (default: runs/NAME of a study, runs/NAME-study of a configuration)",
    )
    parser.add_argument(
        "--anew",
        action="append",
        default=[],
        metavar="NAME",
        help="train this variant again; the old runs are moved aside",
    )
    return run_command(parser, _study, argv)


def _study(args: argparse.Namespace) -> int:
    from fashion_hash.errors import counted
    from fashion_hash.evaluation.studies.tables import as_text
    from fashion_hash.training.studies.run import run_study

    study = _planned(args)
    runs = sum(variant.same_runs is None for variant in study.variants) * len(study.seeds)
    counts = counted(len(study.variants), "variant"), counted(len(study.seeds), "seed"), counted(runs, "run")
    print(f"{study.name}: {', '.join(counts)} in {study.out}")
    try:
        finished = run_study(study, args.anew, lambda line: print(line, flush=True))
    except KeyboardInterrupt:
        print(f"\nstopped; the same command goes on with the runs in {study.out}")
        raise
    if finished.grid is not None:
        print(f"\n{as_text(finished.grid)}")
    for file in finished.files:
        print(f"wrote {file}")
    for name, problem in finished.failed.items():
        print(f"failed: {name}: {problem.strip().splitlines()[-1]}")
    return 1 if finished.failed else 0


def _planned(args: argparse.Namespace) -> Study:
    """The study that the arguments describe."""
    from dataclasses import replace

    from fashion_hash.config.study import is_study
    from fashion_hash.errors import ConfigError, suggest
    from fashion_hash.training.studies.plan import (
        parse_seeds,
        study_from_file,
        study_from_options,
        variants_from_options,
    )

    files = [Path(name) for name in args.config]
    seeds = None if args.seeds is None else parse_seeds(args.seeds)
    if any(is_study(file) for file in files):
        if len(files) > 1 or args.vary or args.variant:
            raise ConfigError("a study says itself what varies: give it alone, without --vary and --variant")
        study = study_from_file(files[0], args.out, seeds, args.set)
    else:
        variants = [
            replace(variant, changes=(*args.set, *variant.changes))
            for variant in variants_from_options(files, args.vary, args.variant)
        ]
        study = study_from_options(files, variants, seeds or (0, 1, 2), args.out, "test")
    names = [variant.name for variant in study.variants]
    if args.against is not None and args.against not in names:
        raise ConfigError(
            f"--against: no variant {args.against!r}{suggest(args.against, names)}; there are {', '.join(names)}"
        )
    return replace(
        study,
        split=args.split or study.split,
        drawn=study.drawn or args.drawn,
        full=study.full or args.full,
        against=args.against or study.against,
        figures=tuple(name.strip() for name in args.figures.split(",")) if args.figures else study.figures,
    )
