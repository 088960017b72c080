"""Extract image features of a configuration into its store; an interrupted extraction continues."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from fashion_hash.commands.run_command import Parser, run_command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    parser.add_argument("config", help="a YAML file with an image section, such as configs/polyvore_630.yaml")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a key of the configuration; may be repeated",
    )
    parser.add_argument("--device", help="cpu, cuda or auto (default: train.device of the configuration)")
    parser.add_argument("--batch-size", type=int, default=64, help="how many pictures at a time (default: 64)")


def run(args: argparse.Namespace) -> int:
    """Extracts the features that the store lacks and prints what was done."""
    from fashion_hash.config.experiment import load_config
    from fashion_hash.data.load import load_dataset
    from fashion_hash.errors import ConfigError
    from fashion_hash.features.extraction import extract_for
    from fashion_hash.training.device import choose_device

    if args.batch_size < 1:
        raise ConfigError(f"--batch-size must be at least 1, got {args.batch_size}")
    config = load_config(args.config, args.set)
    data = config.data
    dataset = load_dataset(data.format, data.root, subset=data.subset, slots=data.slots, shop=data.shop)
    print(extract_for(config, dataset, choose_device(args.device or config.train.device), args.batch_size))
    return 0


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = Parser(
        prog=prog,
        description="Extract the image features of a configuration into its store. "
        "Features that the store holds already are not extracted again.",
    )
    add_arguments(parser)
    return run_command(parser, run, argv)
