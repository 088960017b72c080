"""The tables of requests in words, of the service, and of bundles that live."""

from __future__ import annotations

from collections.abc import Callable

from tables import figures, share, spread, table


def adherence() -> str:
    """Whether the first items have what a request says, row by row of the benchmark."""
    of = figures("adherence")["figures"]["256"]
    scorers = {
        "bits + facts": "bits + facts",
        "bits": "taste + words, bits",
        "words only": "text only, bits",
        "taste only": "user only, bits",
        "BM25": "BM25",
        "untrained encoder": "zero-shot encoder",
    }
    rows = []
    for name in of["mean"]["bits + facts"]:
        cells = [share(of["mean"][scorer][name], 3) for scorer in scorers.values()]
        first = spread({"mean": of["mean"]["bits + facts"][name], "std": of["spread"]["bits + facts"][name]}, 3)
        rows.append((name.replace("<", "&lt;").replace(">", "&gt;"), first, *cells[1:]))
    return table(("", *scorers), rows, right=6)


def adherence_of_bits() -> str:
    """Adherence of the plain pairs without a user against the number of bits: trained, and signs of the encoder."""
    trained, signs = figures("adherence")["figures"], figures("adherence")["signs"]
    names = {"both": "<colour> <kind>, without", "kind": "with the kind", "colour": "with the colour"}
    rows = [
        (f"trained, {bits} bits", *(share(of["mean"]["text only, bits"][name], 3) for name in names.values()))
        for bits, of in trained.items()
    ]
    floats = trained["256"]["mean"]["taste + words, float"]
    rows.append(
        (
            "trained, floats, with a user",
            *(share(floats[name.replace("without", "with a user")], 3) for name in names.values()),
        )
    )
    for length, of in signs.items():
        what = "untrained encoder, floats" if length == "floats" else f"its signs, {length} bits"
        rows.append((what, *(share(of[name], 3) for name in names)))
    return table(("", "both", "kind", "colour"), rows, right=3)


def retrain() -> str:
    """What happens to answers and changes while a bundle gets new generations."""
    runs = figures("soak_retrain"), figures("soak_retrain_commands")
    names = {
        "answers": "answers",
        "changes": "changes",
        "switches": "new generations",
        "errors": "errors",
        "lost": "changes that were lost",
        "mixed": "answers out of two generations",
        "ms p50 otherwise": "ms an answer, median",
        "ms p99 near a switch": "ms an answer within half a second of a switch, 99th percentile",
    }
    rows = [(said, *(f"{run[name]:,}" for run in runs)) for name, said in names.items()]
    return table(("", "random models", "`train --with-live` and `build-index`"), rows, right=2)


def service() -> str:
    """The service over sockets, beside faiss in the same route."""
    of = figures("serve")
    ms, rate = "{:,.0f} ms".format, "{:,.0f} a second".format
    rows = [
        ("questions, p99 under 50 ms", rate(of["rps"]), ms(of["p99"])),
        ("the same route by faiss, plain Hamming distance", rate(of["rps_faiss"]), ms(of["p99_faiss"])),
        ("from the start of the command to the first answer", f"{of['seconds_to_first_answer']:.1f} s", ""),
        ("memory of a worker beyond the mapped bundle", f"{of['megabytes_a_worker']:.0f} MB", ""),
    ]
    for suffix, beside in (("", "50 questions a second"), ("_saturated", "four connections that never pause")):
        at = {name: of[name + suffix] for name in ("compose_rps", "compose_p99", "writes_rps", "writes_p99")}
        rows += [
            (f"{beside}, alone", "", ms(of["reads_p99" + suffix])),
            ("the same beside 100 changes a second", "", ms(of["reads_p99_beside_writes" + suffix])),
            ("compositions beside them", rate(at["compose_rps"]), ms(at["compose_p99"])),
            ("those changes", rate(at["writes_rps"]), ms(at["writes_p99"])),
        ]
    return table(("", "", "99th percentile"), rows, right=2)


def facts() -> str:
    """What a request costs at a million items, beyond the encoder."""
    measured = figures("request_facts")
    times = measured["milliseconds"]
    rows = [(name, f"{each['median']:.1f}", f"{each['slowest']:.1f}") for name, each in times.items()]
    first = f"{1e3 * measured['seconds_first_request']:.0f}"
    rows.append(("the first request of a process", first, first))
    return table(("request", "ms, median", "slowest"), rows, right=2)


def request_sum() -> str:
    """What a bundle answers on reviews, beside each of its terms."""
    of = {name: each for name, each in figures("request_sum").items() if name != "machine"}
    rows = []
    for name, each in of.items():
        for key in ("recall@10", "mrr"):
            means = {row: each["rows"][row][key]["mean"] for row in each["rows"]}
            first, *others = means
            cells = [f"{share(means[first], 3)} ± {share(each['rows'][first][key]['deviation'], 3)}"]
            rows.append((f"{name}, {key}", *cells, *(share(means[other], 3) for other in others)))
    heads = list(next(iter(of.values()))["rows"])
    return table(("", *heads), rows, right=len(heads))


def other_engines() -> str:
    """Exported codes in databases."""
    measured = figures("other_engines")
    rows = [
        (
            each["engine"],
            f"{each['export_seconds']:.1f} s",
            f"{each['load_seconds']:.1f} s" if each["load_seconds"] else "",
            f"{1e3 * each['answer_seconds']:.0f} ms",
            f"{each['rows_a_second'] / 1e6:.1f} million",
        )
        for each in measured["rows"]
    ]
    return table(("engine", "export", "load", "an answer", "items and outfits a second"), rows, right=4)


ANSWERS: dict[str, Callable[[], str]] = {
    "adherence": adherence,
    "adherence-of-bits": adherence_of_bits,
    "retrain": retrain,
    "service": service,
    "facts": facts,
    "request-sum": request_sum,
    "other-engines": other_engines,
}
