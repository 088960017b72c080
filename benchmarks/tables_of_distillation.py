"""The tables of distillation: results/distillation_sample.json, distillation_iqon.json and cold_users.json."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tables import figures, share, spread, table

# the rows of the tables: what they are called, and the case and form under which the benchmark has them
SAMPLE = {
    "FHN": ("FHN", "binary"),
    "FHN + CL": ("FHN + CL", "binary"),
    "FHN + FND (clipped, alpha .3)": ("FHN + FND", "binary"),
    "FHN + FND + soft pairs": ("FHN + FND + soft pairs", "binary"),
    "FHN + both": ("FHN + both", "binary"),
    "FHN, half of the negatives hard": ("FHN, half hard", "binary"),
    "FHN + both, half hard": ("FHN + both, half hard", "binary"),
    "encoder made smaller, floats": ("encoder", "relaxed"),
    "encoder made smaller + CL, floats": ("encoder + CL", "relaxed"),
    "encoder made smaller + FND, floats": ("encoder + FND", "relaxed"),
    "encoder made smaller + both, floats": ("encoder + both", "relaxed"),
    "encoder in 128 bits": ("bit encoder", "binary"),
    "encoder in 128 bits + both": ("bit encoder + both", "binary"),
    "FHN + both, relaxed codes as floats": ("FHN + both", "relaxed"),
    "teacher: an outfit encoder, floats": ("teacher", "relaxed"),
}
IQON = {
    **{
        name: key
        for name, key in SAMPLE.items()
        if name.startswith("FHN") and "hard" not in name and key[1] == "binary"
    },
    "FHN, calibrated": ("FHN", "binary, calibrated"),
    "FHN + FND + soft pairs, calibrated": ("FHN + FND + soft pairs", "binary, calibrated"),
    "FHN, floats": ("FHN", "relaxed"),
    "teacher: FHN in floats, averaged, calibrated": ("teacher", "relaxed, calibrated"),
}
RANKED = {
    "random AUC": "AUC, random",
    "random NDCG": "NDCG, random",
    "hard AUC": "AUC, hard",
    "hard NDCG": "NDCG, hard",
}
SIZES = {
    "teacher": "teacher: outfit encoder, floats",
    "FHN": "FHN",
    "encoder": "encoder made smaller, floats",
    "bit encoder": "encoder in 128 bits",
}
SIZES_IQON = {"teacher": "IQON3000: teacher, FHN in floats", "FHN": "IQON3000: FHN"}


def _ablation(data: str, names: Mapping[str, tuple[str, str]], columns: Iterable[str]) -> list[tuple[str, ...]]:
    """The rows of a table; the best of the codes is bold in each column."""
    found = {(row["case"], row["form"]): row["figures"] for row in figures(f"distillation_{data}")["ablation"]}
    columns = list(columns)
    of_codes = [found[key] for key in names.values() if key[1].startswith("binary")]
    best = {column: max(figure[column]["mean"] for figure in of_codes) for column in columns}
    return [
        (
            name,
            *(
                spread(found[key][column], best=found[key] in of_codes and found[key][column]["mean"] == best[column])
                for column in columns
            ),
        )
        for name, key in names.items()
    ]


def distillation_sample() -> str:
    """Teachers and views on the sample."""
    return table(("", *RANKED.values()), _ablation("sample", SAMPLE, RANKED), right=4)


def distillation_iqon() -> str:
    """Teachers and views on IQON3000."""
    columns = {"file AUC": "the file's pairs", **RANKED}
    return table(("", *columns.values()), _ablation("iqon", IQON, columns), right=5)


def distillation_sizes() -> str:
    """Sizes of the networks."""
    rows = []
    for data, names in (("sample", SIZES), ("iqon", SIZES_IQON)):
        models = {row["model"]: row for row in figures(f"distillation_{data}")["sizes"]["models"]}
        for model, name in names.items():
            row = models[model]
            numbers = (f"{row[key]:,}" for key in ("parameters", "bits_an_outfit", "bits_a_user"))
            rows.append((name, *numbers, f"{row['microseconds_an_outfit']:.0f}"))
    return table(("", "parameters", "bits an outfit", "bits a user", "microseconds an outfit"), rows, right=4)


def teachers() -> str:
    """The two data sets side by side, the parts of a student only."""
    names = list(SAMPLE)[:5]
    sample = {row[0]: row[1:] for row in _ablation("sample", SAMPLE, ("random AUC", "hard AUC"))}
    iqon = {row[0]: row[1:] for row in _ablation("iqon", IQON, ("file AUC",))}
    rows = [(name, *sample[name], *iqon[name]) for name in names]
    rows.append(("teacher, floats", *sample[list(SAMPLE)[-1]], *iqon[list(IQON)[-1]]))
    return table(("", "sample, AUC random", "sample, AUC hard", "IQON3000, the file's pairs"), rows, right=3)


def cold_users() -> str:
    """New users, told of one or five outfits."""
    columns = ("floats", "bits", "in_use", "nobody", "popularity")
    rows, last = [], ""
    for row in figures("cold_users")["rows"]:
        best = max(row[key] for key in columns[:3])
        cells = [
            f"**{share(row[key], 3)}**" if row[key] == best and key in columns[:3] else share(row[key], 3)
            for key in columns
        ]
        rows.append((row["of"] if row["of"] != last else "", str(row["told"]), *cells))
        last = row["of"]
    return table(
        ("", "told", "floats", "bits", "in use", "best answer that knows no user", "popularity"), rows, right=6
    )


DISTILLATION = {
    "distillation-sample": distillation_sample,
    "distillation-iqon": distillation_iqon,
    "distillation-sizes": distillation_sizes,
    "teachers": teachers,
    "cold-users": cold_users,
}
