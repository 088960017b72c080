"""Train one experiment."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_hash.commands.run_command import Parser, run_command

if TYPE_CHECKING:
    from fashion_hash.config.experiment import Config
    from fashion_hash.config.requests import RequestConfig
    from fashion_hash.training.requests.run import RequestRun
    from fashion_hash.training.runs.run import Run


KEEP_RUNS = 3  # older ones, where a nightly job would leave one more every night


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = Parser(prog=prog, description="Train one experiment and write its run folder.")
    parser.add_argument("config", help="a YAML file, such as configs/demo.yaml")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a key of the configuration, such as train.epochs=5; may be repeated",
    )
    parser.add_argument("--out", metavar="DIR", help="the run folder (default: runs/NAME)")
    parser.add_argument(
        "--with-live",
        metavar="BUNDLE",
        help="also train on what the live catalogue of this bundle was told: items, users, likes",
    )
    parser.add_argument(
        "--keep-runs",
        type=int,
        metavar="N",
        help="when the training is done, remove all but the newest N older runs of this name (NAME.old-1, ...) and "
        f"live tables that no run needs (default: keep all; with --with-live, {KEEP_RUNS})",
    )
    parser.add_argument("--resume", action="store_true", help="continue the run in that folder after its last epoch")
    parser.add_argument(
        "--log",
        default="",
        metavar="TRACKERS",
        help="also log the metrics of each epoch to tensorboard, mlflow or wandb; several separated by commas",
    )
    return run_command(parser, _train, argv)


def _train(args: argparse.Namespace) -> int:
    from fashion_hash.config.experiment import load_experiment
    from fashion_hash.errors import ConfigError
    from fashion_hash.training.processes.group import joined, rank, restarted
    from fashion_hash.training.runs.run_folder import run_folder
    from fashion_hash.training.tracking.trackers import check_trackers

    if args.keep_runs is not None and args.keep_runs < 0:
        raise ConfigError(f"--keep-runs must be at least 0, got {args.keep_runs}")
    names = [name.strip() for name in args.log.split(",") if name.strip()]
    check_trackers(names)
    config = load_experiment(args.config, args.set)
    with joined(config.train.device):
        again = restarted(run_folder(config, args.out))
        if args.with_live:
            config = _with_live(config, args, again)
        run = _trained(config, args, args.resume or again, [] if rank() else names)
        if rank():
            return 0
    _finish(run, args)
    return 0


def _trained(
    config: Config | RequestConfig, args: argparse.Namespace, resume: bool, names: Sequence[str]
) -> Run | RequestRun:
    """The finished run; where it is interrupted, a line says how to go on."""
    from fashion_hash.config.requests import RequestConfig
    from fashion_hash.training.processes.group import check_alone, rank
    from fashion_hash.training.recipes.auto import fit
    from fashion_hash.training.requests.loop import fit_requests
    from fashion_hash.training.runs.run_folder import run_folder
    from fashion_hash.training.tracking.trackers import tracking

    folder, lines = run_folder(config, args.out), 0

    def report(line: str) -> None:
        nonlocal lines
        lines += 1
        print(line, flush=True)  # for who reads it in a file

    try:
        with tracking(names, config, folder, report) as trackers:
            if isinstance(config, RequestConfig):
                check_alone("a configuration of requests")
                return fit_requests(config, out=args.out, resume=resume, report=report, on_epoch=trackers)
            return fit(config, out=args.out, resume=resume, report=report, on_epoch=trackers)
    except KeyboardInterrupt:
        if lines and not rank():  # the run has begun
            print(f"\nstopped; the same command with --resume goes on with {folder}")
        raise


def _finish(run: Run | RequestRun, args: argparse.Namespace) -> None:
    from fashion_hash.training.runs.older_run import remove_older

    best = run.history[run.best_epoch - 1]
    print(f"best epoch {best['epoch']} of {len(run.history)}", end="")
    if best[run.measure] is not None:
        relaxed = best[f"{run.measure}_relaxed"]
        print(f": {run.measured} {best[run.measure]:.4f} binary, {relaxed:.4f} relaxed", end="")
    print(f"\nwrote {run.path}: config.yaml, metrics.jsonl, train.log, curve.png, best.safetensors, last.safetensors")
    keep = KEEP_RUNS if args.keep_runs is None and args.with_live else args.keep_runs
    for folder in [] if keep is None else remove_older(run.path, keep):
        print(f"removed {folder}")


def _with_live(config: Config | RequestConfig, args: argparse.Namespace, again: bool) -> Config:
    """Names what the live catalogue was told in the configuration; `again`: processes that torchrun restarted."""
    from fashion_hash.config.experiment import Config
    from fashion_hash.errors import ConfigError
    from fashion_hash.training.processes.group import rank, shared

    if not isinstance(config, Config):
        raise ConfigError(
            "--with-live: a configuration of requests takes no outfits and users of a live catalogue; "
            "to leave out removed users, name their list with data.suppressed"
        )
    if args.resume:
        raise ConfigError("--with-live: a resumed run goes on with what it was told when it began; leave it out")
    folder = shared(None if rank() else _told(config, args, again))
    return config.model_copy(update={"data": config.data.model_copy(update={"live": folder})})


def _told(config: Config, args: argparse.Namespace, again: bool) -> str:
    """Writes what the live catalogue was told beside the run; a run that goes on keeps what it began with."""
    from fashion_hash.config.experiment import load_config
    from fashion_hash.retrieval.generations.told import export_told
    from fashion_hash.training.runs.older_run import numbered
    from fashion_hash.training.runs.run_folder import run_folder

    path = run_folder(config, args.out)
    if again and (began := load_config(path / "config.yaml").data.live) is not None:
        return began
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = path.with_name(f"{path.name}.live-{1 + max(numbered(path, 'live'), default=0)}")
    told = export_told(Path(args.with_live), folder)
    print(f"wrote {folder}: {told.counts()} since the export of {args.with_live}")
    return str(folder)
