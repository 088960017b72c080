"""The results of several scorers as one JSON object, and that object as a table for the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from fashion_hash.errors import QueryError

MODEL_FORMS = ("relaxed", "binary", "asymmetric", "fold_in")
COUNTS = ("rows", "users", "users_left_out", "partial_outfits", "negatives_per_positive", "candidates")

Results = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Scorer name to protocol name to metric name to value."""


def report(
    results: Results,
    statements: Mapping[str, str],
    *,
    dataset: str,
    split: str,
    num_bits: int | None,
    user_bits: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """The JSON object of an evaluation.

    Args:
        results: scorer name to what `protocols.evaluate_split` returned; "relaxed", "binary", "asymmetric" and
            "fold_in" are the model, every other name is a baseline.
        statements: protocol name to its statement, from `protocols.statements`.
        dataset: the name of the data set.
        split: the name of the split.
        num_bits: length of the codes; None for a model without codes.
        user_bits: by form of the model, how many bits a user takes, where items take `num_bits`.

    Returns:
        {"dataset", "split", "num_bits", "user_bits", "protocols": {name: {"statement", "relaxed": {metric: value},
        "binary": {...}, "baselines": {scorer: {...}}}}}; what was not measured is absent.

    Raises:
        QueryError: a protocol has no statement, or scorers were measured on different rows.
    """
    protocols: dict[str, Any] = {}
    for name in dict.fromkeys(name for of_scorer in results.values() for name in of_scorer):
        if name not in statements:
            raise QueryError(f"protocol {name!r} has no statement; there are statements of {sorted(statements)}")
        measured = {scorer: dict(of[name]) for scorer, of in results.items() if name in of}
        _check_same_rows(name, measured)
        forms = {form: measured.pop(form) for form in MODEL_FORMS if form in measured}
        protocols[name] = {"statement": statements[name], **forms, "baselines": measured}
    bits = {"num_bits": num_bits, **({} if user_bits is None else {"user_bits": dict(user_bits)})}
    return {"dataset": dataset, "split": split, **bits, "protocols": protocols}


def table(report: Mapping[str, Any]) -> str:
    """The object of `report` as aligned plain text: a block for each protocol, a line for each scorer.

    Every metric that occurs is a column. The forms of the model come first, then the baselines. Protocols that were
    left out (`report["left_out"]`, by name the reason) come last.
    """
    bits = f", {report['num_bits']} bits" if report["num_bits"] else ""
    if "asymmetric" in report.get("user_bits", {}):
        bits += f"; asymmetric: {report['user_bits']['asymmetric']:,} bits a user"
    blocks = [f"{report['dataset']}, {report['split']}{bits}"]
    for name, protocol in report["protocols"].items():
        scorers = {form: protocol[form] for form in MODEL_FORMS if form in protocol} | protocol["baselines"]
        metrics = list(dict.fromkeys(key for values in scorers.values() for key in values if key not in COUNTS))
        counts = next(iter(scorers.values()))
        rows = [["", *(metric.replace("_at_", "@") for metric in metrics)]]
        for scorer, values in scorers.items():
            rows.append([scorer, *(f"{values[key]:.4f}" if key in values else "-" for key in metrics)])
        size = ", ".join(f"{key.replace('_', ' ')} {counts[key]:,}" for key in COUNTS if key in counts)
        statement = textwrap.wrap(protocol["statement"], 96)
        blocks.append("\n".join([name, *(f"  {line}" for line in [*statement, size]), *_aligned(rows)]))
    if lines := _settings(report.get("settings", {})):
        blocks.append("\n".join(["settings chosen on validation", *lines]))
    for name, reason in report.get("left_out", {}).items():
        blocks.append("\n".join([f"{name}: not measured", *(f"  {line}" for line in textwrap.wrap(reason, 96))]))
    return "\n\n".join(blocks) + "\n"


def _settings(settings: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[str]:
    """What was chosen for each baseline, one line for each use."""
    lines = []
    for name, by_use in settings.items():
        for use, chosen in by_use.items():
            if chosen:
                where = "negatives and questions" if use == "outfits" else use
                lines.append(f"  {name}, {where}: " + ", ".join(f"{key} {value}" for key, value in chosen.items()))
    return lines


def _check_same_rows(protocol: str, measured: Mapping[str, Mapping[str, float]]) -> None:
    """Figures over different rows or another ratio of negatives must not share a table."""
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
    lines = []
    for row in rows:
        numbers = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        lines.append("  " + "  ".join([row[0].ljust(widths[0]), *numbers]).rstrip())
    return lines
