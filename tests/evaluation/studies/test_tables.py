"""The table of a study in four forms."""

import csv
import io

from fashion_hash.evaluation.studies.comparison import Measured, compare
from fashion_hash.evaluation.studies.tables import (
    LEGEND,
    WIDTH,
    Grid,
    as_csv,
    as_latex,
    as_markdown,
    as_text,
    values_as_csv,
)


def grid():
    runs = []
    for seed in range(3):
        users = {f"u{row}": 0.5 + row / 100 for row in range(30)}
        better = {user: value + 0.1 + row / 1000 for row, (user, value) in enumerate(users.items())}
        runs.append(Measured("plain", seed, {"rank_random auc": 0.6 + seed / 1000}, {"rank_random auc": users}))
        value = {"rank_random auc": 0.7 + seed / 1000 + seed**2 / 1e5}
        runs.append(Measured("50 % hard_share|{x}", seed, value, {"rank_random auc": better}))
    runs.append(Measured("one run", 0, {"rank_random auc": 0.65}))
    return Grid(compare(runs, "plain"), "plain")


def test_text_has_mean_deviation_marks_and_what_n_is():
    text = as_text(grid())
    assert "0.6010 ± 0.0010" in text
    assert "0.7010 ± 0.0010*†" in text
    assert "0.6500" in text
    assert "seeds 0, 1, 2; 30 users; compared with plain" in text
    (tests,) = [line for line in text.splitlines() if line.startswith("50 %") and "+0.1000" in line]
    assert " 30  " in tests


def test_markdown_escapes_and_has_a_bold_best():
    text = as_markdown(grid())
    assert r"| 50 % hard\_share\|{x} | **0.7010 ± 0.0010**\*† |" in text
    assert text.splitlines()[1] == "| --- | --: |"


def test_latex_escapes_and_uses_booktabs():
    text = as_latex(grid())
    assert r"50 \% hard\_share\textbar{}\{x\} & $\mathbf{0.7010} \pm 0.0010^{\ast\dagger}$ \\" in text
    assert r"\toprule" in text
    assert text.count("{") == text.count("}")
    assert f"% {LEGEND}" in text


def test_csv_has_everything_unrounded():
    lines = list(csv.DictReader(io.StringIO(as_csv(grid()))))
    assert [line["variant"] for line in lines] == ["plain", "50 % hard_share|{x}", "one run"]
    assert lines[0]["t_p"] == ""
    assert 0 < float(lines[1]["t_holm"]) < 0.01
    assert lines[1]["users"] == "30"
    assert float(lines[1]["users_low"]) < float(lines[1]["users_difference"]) < float(lines[1]["users_high"])
    values = list(csv.DictReader(io.StringIO(values_as_csv(grid()))))
    assert len(values) == 7
    assert values[1] == {"variant": "plain", "figure": "rank_random auc", "seed": "1", "value": "0.601"}


def test_the_lowest_mean_rank_is_the_best():
    figures = ({"retrieval_top mean_rank": 9.0, "auc": 0.6}, {"retrieval_top mean_rank": 4.0, "auc": 0.5})
    runs = [Measured(name, 0, of) for name, of in zip(("last", "first"), figures)]
    text = as_markdown(Grid(compare(runs, "last"), "last"))
    assert "| last | 9.0000 | **0.6000** |" in text
    assert "| first | **4.0000** | 0.5000 |" in text


def test_latex_takes_names_that_begin_with_a_bracket():
    runs = [Measured(name, 0, {"auc": 0.5}) for name in ("plain", "[0, .5] < 1")]
    assert r"{[}0, .5] \textless{} 1 & $" in as_latex(Grid(compare(runs, "plain"), "plain"))


def test_a_wide_table_of_text_is_cut_into_blocks_of_figures():
    figures = {f"full_bottom recall@{k}": 0.5 + k / 100 for k in range(12)}
    text = as_text(Grid(compare([Measured(name, 0, figures) for name in ("plain", "taught")], "plain"), "plain"))
    table = text[: text.index("one run each")].splitlines()
    assert max(map(len, table)) <= WIDTH
    assert "one run each; seed 0; compared with plain" in text
    assert [line.split()[0] for line in table if line.startswith(("plain", "taught"))] == ["plain", "taught"] * 3
    assert "  ".join(line.strip() for line in table if "recall" in line).split("  ") == list(figures)
