"""Results of several scorers as one JSON object, and that object as a table for the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from fashion_hash.errors import QueryError

MODEL_FORMS = ("relaxed", "binary", "fold_in")
COUNTS = ("rows", "users", "users_left_out", "negatives_per_positive", "candidates")

Results = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Scorer name to protocol name to metric name to value."""


def report(
    results: Results, statements: Mapping[str, str], *, dataset: str, split: str, num_bits: int | None
) -> dict[str, Any]:
    """The JSON object of an evaluation.

    Args:
        results: scorer name to what `protocols.evaluate_split` returned; "relaxed", "binary" and "fold_in" are
            the model, every other name is a baseline.
        statements: protocol name to its statement, from `protocols.statements`.
        dataset, split: names.
        num_bits: length of the codes; None for a model that has none.

    Returns:
        {"dataset", "split", "num_bits", "protocols": {name: {"statement", "relaxed": {metric: value},
        "binary": {...}, "baselines": {scorer: {...}}}}}; what was not given is absent.

    Raises:
        QueryError: a protocol without a statement, or scorers measured on different rows.
    """
    protocols: dict[str, Any] = {}
    for name in dict.fromkeys(name for of_scorer in results.values() for name in of_scorer):
        if name not in statements:
            raise QueryError(f"protocol {name!r} has no statement; there are {sorted(statements)}")
        measured = {scorer: dict(of[name]) for scorer, of in results.items() if name in of}
        _check_same_rows(name, measured)
        forms = {form: measured.pop(form) for form in MODEL_FORMS if form in measured}
        protocols[name] = {"statement": statements[name], **forms, "baselines": measured}
    return {"dataset": dataset, "split": split, "num_bits": num_bits, "protocols": protocols}


def table(report: Mapping[str, Any]) -> str:
    """The object of `report` as aligned plain text: a block for each protocol, a line for each scorer.

    The forms of the model come first, one under the other, then the baselines.
    """
    bits = f", {report['num_bits']} bits" if report["num_bits"] else ""
    blocks = [f"{report['dataset']}, {report['split']}{bits}"]
    for name, protocol in report["protocols"].items():
        scorers = {form: protocol[form] for form in MODEL_FORMS if form in protocol} | protocol["baselines"]
        metrics = list(dict.fromkeys(key for values in scorers.values() for key in values if key not in COUNTS))
        counts = next(iter(scorers.values()))
        rows = [["", *(metric.replace("_at_", "@") for metric in metrics)]]
        for scorer, values in scorers.items():
            rows.append([scorer, *(f"{values[key]:.4f}" if key in values else "-" for key in metrics)])
        size = ", ".join(f"{key.replace('_', ' ')} {counts[key]:,}" for key in COUNTS if key in counts)
        said = textwrap.wrap(protocol["statement"], 96)
        blocks.append("\n".join([name, *(f"  {line}" for line in [*said, size]), *_aligned(rows)]))
    return "\n\n".join(blocks) + "\n"


def _check_same_rows(protocol: str, measured: Mapping[str, Mapping[str, float]]) -> None:
    """Figures over other rows or another ratio of negatives must not stand in one table."""
    counted = {scorer: {key: values.get(key) for key in COUNTS} for scorer, values in measured.items()}
    first, expected = next(iter(counted.items()))
    for scorer, counts in counted.items():
        for key in COUNTS:
            if counts[key] != expected[key]:
                raise QueryError(
                    f"{protocol}: {key} is {expected[key]} for {first} but {counts[key]} for {scorer}; "
                    "measure every scorer on the same rows and negatives"
                )


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  " + "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:]))]).rstrip()
        for row in rows
    ]
