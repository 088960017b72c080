"""Look for the settings of a configuration that are best on the validation split."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from fashion_hash.commands.run_command import Parser, run_command


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = Parser(
        prog=prog,
        description="Tune a configuration with Optuna. Trials are judged by the validation criterion; the test split "
        "is never looked at. The same command goes on with an interrupted tuning.",
    )
    parser.add_argument("config", help="a YAML file, such as configs/demo.yaml")
    parser.add_argument(
        "--trials", type=int, default=20, metavar="N", help="how many trials there will be (default: 20)"
    )
    parser.add_argument(
        "--over",
        action="append",
        default=[],
        metavar="KEY=SPACE",
        help="what is searched: model.num_bits=64,128 or optimiser.rates.user=1e-3..1e-1:log or train.epochs=5..20:5",
    )
    parser.add_argument(
        "--space", metavar="FILE", help="the same as YAML: KEY: [values] or KEY: {low, high, log, step}"
    )
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a key of every trial")
    parser.add_argument("--out", metavar="DIR", help="the folder of the tuning (default: runs/NAME-tuning)")
    parser.add_argument(
        "--seed", type=int, default=0, help="of the sampler (default: 0); runs have the configuration's"
    )
    parser.add_argument("--no-pruning", action="store_true", help="give every trial all of its epochs")
    return run_command(parser, _tune, argv)


def _tune(args: argparse.Namespace) -> int:
    from fashion_hash.errors import ConfigError
    from fashion_hash.training.tuning.space import read_space
    from fashion_hash.training.tuning.tune import Tuning, tune

    if args.trials < 1 or args.seed < 0:
        name, value, least = ("--trials", args.trials, 1) if args.trials < 1 else ("--seed", args.seed, 0)
        raise ConfigError(f"{name} must be at least {least}, got {value}")
    space = read_space(None if args.space is None else Path(args.space), args.over)
    out = Path("runs") / f"{Path(args.config).stem}-tuning" if args.out is None else Path(args.out)
    tuning = Tuning(Path(args.config), tuple(args.set), space, out, args.seed, not args.no_pruning)
    try:
        best = tune(tuning, args.trials, lambda line: print(line, flush=True))
    except KeyboardInterrupt:
        print(f"\nstopped; the same command goes on with the trials in {out}")
        raise
    if best is None:
        print(f"no trial finished: see {out / 'history.csv'}")
        return 1
    print(f"wrote {best}, history.csv, history.png; train it with: fashion-hash train {best}")
    return 0
