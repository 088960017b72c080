"""Tables in Markdown, and numbers as papers print them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from results import read

Rows = Iterable[Sequence[str]]


def figures(name: str) -> Any:
    """The figures of results/NAME.json."""
    return read(name)["figures"]


def table(head: Sequence[str], rows: Rows, right: int = 0) -> str:
    """A Markdown table; the last `right` columns are aligned to the right."""
    marks = ["---"] * (len(head) - right) + ["--:"] * right
    return "".join("| " + " | ".join(row) + " |\n" for row in (head, marks, *rows))


def share(value: float, digits: int = 4) -> str:
    """A number between 0 and 1 without its leading 0, as papers print it."""
    return f"{value:.{digits}f}".removeprefix("0")


def spread(figure: Mapping[str, Any], digits: int = 4, best: bool = False) -> str:
    """A mean and its standard deviation; bold for the best of a column."""
    text = share(figure["mean"], digits)
    if figure.get("std") is not None:
        text += f" ± {share(figure['std'], digits)}"
    return f"**{text}**" if best else text
