"""Tables of times: results/real.json and results/answers.json."""

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


def answers() -> str:
    """Single answers at a hundred thousand items: results/answers.json."""
    of = figures("answers")
    names = {
        "recommend": f"the ten best of {of['outfits']:,} outfits",
        "explain": "an outfit explained",
        "similar_items": "similar items",
        "search": "items for a request in words",
        "outfits_for": "outfits for a request in words",
        "add_user": "a new user folded in and kept",
        "one_commit": "of which the database takes",
    }
    lines = [(what, *(f"{of[key][kind]:.1f} ms" for kind in ("clock", "processor"))) for key, what in names.items()]
    return table((f"{of['items']:,} items", "clock", "processor"), lines, right=2)


CODES = ("trained", "random")


def _time(seconds: float) -> str:
    return f"{1e3 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
