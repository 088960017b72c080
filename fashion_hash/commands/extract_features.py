"""`extract`: image features of a configuration, extracted once into its store; resumable."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from fashion_hash.commands.run_command import run_command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("config", help="a YAML file with a section image, such as configs/polyvore_630.yaml")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override a key of the configuration"
    )
    parser.add_argument("--device", help="cpu, cuda or auto (default: train.device of the configuration)")
    parser.add_argument("--batch-size", type=int, default=64, help="pictures at a time (default: 64)")


def run(args: argparse.Namespace) -> int:
    """Extracts what the store lacks and prints what was done."""
    from fashion_hash.config.experiment import load_config
    from fashion_hash.data.load import load_dataset
    from fashion_hash.errors import ConfigError
    from fashion_hash.features.extraction import extract_for
    from fashion_hash.training.device import choose_device

    if args.batch_size < 1:
        raise ConfigError(f"--batch-size {args.batch_size}: at least 1")
    config = load_config(args.config, args.set)
    dataset = load_dataset(config.data.format, config.data.root, subset=config.data.subset, slots=config.data.slots)
    print(extract_for(config, dataset, choose_device(args.device or config.train.device), args.batch_size))
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """The door for tools/extract_features.py; returns the exit status."""
    parser = argparse.ArgumentParser(prog="extract_features.py", description=__doc__)
    add_arguments(parser)
    return run_command(parser, run, argv)
