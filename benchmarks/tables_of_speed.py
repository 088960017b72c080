"""The table of times on trained bundles: results/real.json."""

from __future__ import annotations

from tables import figures, table


def real() -> str:
    """What users wait for, of trained codes, of made random ones, and of faiss where it has an answer."""
    of, lines = figures("real"), []
    for name, pool in of["pools"].items():
        outfits = f"{name}, {pool['outfits']:,} outfits"
        for key, what in (("alone", "one user"), ("in_a_batch", f"a user among {of['batch']}")):
            lines.append((f"{outfits}: {what}", f"{pool[key]:.2f} ms", "-", f"{pool[f'faiss_{key}']:.2f} ms"))
        if "composed" in pool:
            times = f"{pool['composed']:.1f} ms, worst {pool['composed_worst']:.1f} ms"
            lines.append((f"{name}: the {of['k']} best pairs of all items", times, "-", "-"))
    for row in of["rows"]:
        cells = [f"{1e3 * row[codes]['median']:.0f} ms, worst {_time(row[codes]['worst'])}" for codes in CODES]
        lines.append((f"the {row['k']} best of {', '.join(row['slots'])}, {row['items']:,} a type", *cells, "-"))
    late = max(late for row in of["rows"] for codes in CODES for late in row[codes]["late"].values())
    lines.append(("compositions with a budget end after 1.1 times of it and at most", f"{late:.0f} ms", "-", "-"))
    return table(("", "trained codes", "random codes", "faiss"), lines, right=3)


CODES = ("trained", "random")


def _time(seconds: float) -> str:
    return f"{1e3 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
