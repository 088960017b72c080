"""What was shown, liked and bought, by model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from fashion_hash.errors import visible
from fashion_hash.feedback.store import KINDS, Event


class ModelReport(NamedTuple):
    """The feedback about the answers of a model.

    Attributes:
        model: its name.
        users: how many users sent any.
        counts: events by kind.
    """

    model: str
    users: int
    counts: Counter[str]

    @property
    def liked_share(self) -> float | None:
        """Likes per outfit or item that was shown; None where nothing was."""
        return self.counts["liked"] / self.counts["shown"] if self.counts["shown"] else None

    def to_dict(self) -> dict[str, object]:
        """Plain values, for JSON."""
        counts: dict[str, object] = {kind: self.counts[kind] for kind in KINDS}
        return {"model": self.model, "users": self.users, **counts, "liked_share": self.liked_share}


def report_feedback(events: Iterable[Event]) -> list[ModelReport]:
    """Counts events by model, in the order of names."""
    counts: dict[str, Counter[str]] = {}
    users: dict[str, set[str]] = {}
    for event in events:
        counts.setdefault(event.model, Counter())[event.kind] += 1
        users.setdefault(event.model, set()).add(event.user_id)
    return [ModelReport(model, len(users[model]), counts[model]) for model in sorted(counts)]


def report_text(reports: Iterable[ModelReport]) -> str:
    """A table for the terminal."""
    rows = [("model", "users", *KINDS, "liked/shown")]
    for report in reports:
        share = "" if report.liked_share is None else f"{report.liked_share:.3f}"
        counts = (f"{report.counts[kind]:,}" for kind in KINDS)
        rows.append((visible(report.model), f"{report.users:,}", *counts, share))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.rjust(width) for cell, width in zip(row, widths)) for row in rows)
    return "\n".join(lines) if len(rows) > 1 else "no feedback yet"
