"""Every protocol of a split for a trained run, beside its baselines."""

from __future__ import annotations

from typing import Any

from fashion_hash.data.dataset import Dataset
from fashion_hash.evaluation import baselines
from fashion_hash.evaluation.protocols import Score, evaluate_split, statements
from fashion_hash.evaluation.report import report
from fashion_hash.training.run import Run, load_data
from fashion_hash.training.scoring import ModelScorer
from fashion_hash.training.validation import drawn_negatives


def evaluate(run: Run, split: str = "test", dataset: Dataset | None = None) -> dict[str, Any]:
    """Measures the best epoch of a run.

    Args:
        run: a finished run.
        split: "train", "valid" or "test".
        dataset: the data the run was trained on; read again when it is not given.

    Returns:
        {"run", "dataset", "split", "num_bits", "protocols": {name: {"statement", "relaxed", "binary",
        "baselines"}}}: see `fashion_hash.evaluation.report.report`. Baselines: chance, popularity, and
        the binary model without its users (no_user) and without its pairs (no_item_pairs).

    Raises:
        DataError: there is no such split.
        TrainingError: the data has changed since the training.
    """
    dataset = load_data(run.config, dataset)
    part = dataset.split(split)
    drawn = None if part.negatives or part.questions else drawn_negatives(dataset, split, run.config.seed)
    model, inputs, slope = run.model(dataset)
    binary = ModelScorer(model, inputs, slope=None)
    scorers: dict[str, Score] = {
        "relaxed": ModelScorer(model, inputs, slope),
        "binary": binary,
        "no_user": binary.no_user,
        "no_item_pairs": binary.no_item_pairs,
        "popularity": baselines.popularity(dataset.split("train").positives),
        "chance": baselines.chance(run.config.seed),
    }
    results = {name: evaluate_split(score, part, drawn) for name, score in scorers.items()}
    lines = statements(dataset.name, split, part, drawn, run.config.seed)
    found = report(results, lines, dataset=dataset.name, split=split, num_bits=run.config.model.num_bits)
    return {"run": str(run.path), **found}
