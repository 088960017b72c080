"""The baselines of a configuration as a report, without a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypedDict, Unpack

from fashion_hash.config.experiment import Config
from fashion_hash.data.dataset import Dataset
from fashion_hash.evaluation.baselines.measure import Measures
from fashion_hash.evaluation.matched import Clock
from fashion_hash.evaluation.report import report
from fashion_hash.training.baselines.kept import FOLDER, check_names, measure_baselines
from fashion_hash.training.measure.full import chosen_protocols
from fashion_hash.training.measure.tasks import Task, negatives_of
from fashion_hash.training.runs.run import load_data
from fashion_hash.training.runs.run_folder import run_folder


class BaselineOptions(TypedDict, total=False):
    """What `baselines` measures, and where it is kept.

    Attributes:
        only: baselines by name; all by default.
        drawn: whether to rank against drawn negatives as well, see `evaluate`.
        matched: the clock of matched negatives, see `evaluate`.
        full: whether to rank everything, see `evaluate`.
        out: the folder in which the figures are kept; runs/NAME.baselines by default.
        tell: receives lines of text about what is done.
    """

    only: Sequence[str] | None
    drawn: bool
    matched: Clock | None
    full: bool | None
    out: str | Path | None
    tell: Callable[[str], None]


def baselines(
    config: Config, split: str = "test", dataset: Dataset | None = None, **options: Unpack[BaselineOptions]
) -> dict[str, Any]:
    """Measures baselines on the data of a configuration.

    Args:
        config: the experiment; trained baselines have its features.
        split: "train", "valid" or "test".
        dataset: its data; read again by default.
        options: see `BaselineOptions`.

    Returns:
        {"dataset", "split", "num_bits": None, "protocols": {name: {"statement", "baselines"}}, "settings": {baseline:
        {use: what was chosen on validation}}, "left_out": {name: why it was not measured}}.

    Raises:
        DataError: the data has no such split.
        QueryError: there is no baseline of one of the names, or matched negatives cannot be had from this data.
    """
    names = check_names(options.get("only"))
    own = run_folder(config, None)
    dataset = load_data(config, dataset, own if (own / "config.yaml").is_file() else None)
    known = dataset.known if options.get("drawn") else None
    task = Task(dataset, split, dataset.split(split), config.seed, known, options.get("matched"), config.negatives.swap)
    part, drawn, lines = negatives_of(task)
    protocols, left_out = chosen_protocols(dataset, split, options.get("full"))
    lines |= {name: protocol.statement for name, protocol in protocols.items()}
    out = options.get("out")
    measured = measure_baselines(
        config,
        dataset,
        Measures(part, drawn, {name: protocol.lists for name, protocol in protocols.items()}, lines),
        (own.with_name(f"{own.name}.{FOLDER}") if out is None else Path(out)) / f"{split}.json",
        names,
        options.get("tell") or (lambda line: None),
    )
    table = report(measured.results, lines, dataset=dataset.name, split=split, num_bits=None)
    return {**table, "settings": measured.settings, "left_out": {**left_out, **measured.left_out}}
