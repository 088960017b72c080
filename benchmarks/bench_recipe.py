"""`recipe: auto` on a small data set with words: 128 bits beside float models over the same features.

    python benchmarks/bench_recipe.py [--root FOLDER] [--subset NAME] [--seeds 3] [--float-seeds 1] [--json] [--save]

Without --root the sample is made (seed 0, words only). The recipe sees data of the Polyvore-U layout and nothing else;
it and the best epoch of every float model are chosen on the validation split, and the test split is measured once, at
the end. What the recipe costs is a ratio to the one training that it ends with.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import torch

import results
from fashion_hash.config.experiment import Config, make_config
from fashion_hash.core.codes import bits_a_user
from fashion_hash.data.dataset import Dataset
from fashion_hash.data.sample.truth import TRUTH_FILE, truth_scorer
from fashion_hash.data.sample.write import make_sample
from fashion_hash.evaluation.protocols import evaluate_split
from fashion_hash.training.baselines.trained import TRAINED
from fashion_hash.training.measure.outfits import evaluate
from fashion_hash.training.outfits import loop
from fashion_hash.training.recipes import auto
from fashion_hash.training.runs.run import Run, load_data

PROTOCOLS = ("rank_random", "rank_hard")
BITS = 128


class Measured(NamedTuple):
    """A row of one seed: who scores, the bits a user, the AUC by protocol, and seconds of training (None: none)."""

    name: str
    bits: int
    auc: dict[str, float]
    seconds: float | None = None


def main(argv: Sequence[str] | None = None) -> None:
    """Prints a line a row, or one JSON object with --json."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--root", type=Path, help="data in the Polyvore-U layout; the sample is made by default")
    parser.add_argument("--subset", default="tuples_630")
    parser.add_argument("--seeds", type=int, default=3, help="of the recipe")
    parser.add_argument("--float-seeds", type=int, default=1, help="of the float models to compare with")
    results.add_options(parser)
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    rows: dict[str, list[Measured]] = {}
    chosen: list[str] = []
    with TemporaryDirectory() as folder:
        root = options.root or make_sample(Path(folder) / "sample", pictures=False).root
        data = {"format": "polyvore_u", "root": str(root), "subset": options.subset}
        for seed in range(max(options.seeds, options.float_seeds)):
            config = make_config({"name": "recipe", "recipe": "auto", "seed": seed, "data": data})
            dataset = load_data(config.model_copy(update={"recipe": None}))
            made = by_recipe(config, dataset, Path(folder) / f"{seed}", chosen) if seed < options.seeds else []
            also = floats(config, dataset, Path(folder) / f"floats-{seed}") if seed < options.float_seeds else []
            for row in (*made, *also, *(truth(root, options.subset, dataset) if not seed else ())):
                rows.setdefault(row.name, []).append(row)
                print(f"seed {seed}: {row}", flush=True)
            figures = {"rows": [gathered(of) for of in rows.values()], "chosen": chosen, "outfits": sizes(dataset)}
            if options.save is not None:  # a seed takes minutes: what is there is kept
                results.save(options.save or "recipe", figures)
    if not results.hand_over(options, figures):
        for row in figures["rows"]:
            print(row)


def by_recipe(config: Config, dataset: Dataset, folder: Path, chosen: list[str]) -> Iterator[Measured]:
    """What the recipe chose: in bits, with users in bytes, and in floats; and its teachers."""
    began = time.process_time()
    settings = auto.choose(config, folder / "run-recipe", dataset)
    searched = time.process_time() - began
    chosen.append((folder / "run-recipe" / auto.CHOSEN).read_text(encoding="utf-8").splitlines()[0])
    began = time.process_time()
    run = loop.fit(settings, dataset, folder / "run")
    trained = time.process_time() - began
    found = of_run(run, dataset)
    yield Measured("recipe, bits", bits_a_user("bits", BITS), found["binary"], searched)
    yield Measured("recipe, users in bytes", bits_a_user("bytes", BITS), found["asymmetric"])
    yield Measured("the same training alone", 0, {}, trained)
    for path in sorted((folder / "run-recipe").glob("teacher-*"))[:1]:
        yield Measured("its teacher, FHN in floats", 32 * BITS, of_run(Run.open(path), dataset)["relaxed"])


def floats(config: Config, dataset: Dataset, folder: Path) -> Iterator[Measured]:
    """The trained float baselines, over all features."""
    values = config.model_dump(mode="json", include={"name", "seed", "data"}, exclude_unset=True)
    words = make_config({**values, "text": {"source": "vectors", "normalise": "standard", "head": "linear"}})
    for name, configure in TRAINED.items():
        settings = configure(words)
        began = time.process_time()
        run = loop.fit(settings, dataset, folder / name.replace(" ", "-"))
        seconds = time.process_time() - began
        anchors = 1 if settings.encoder is None else settings.encoder.anchors
        yield Measured(name, 32 * anchors * settings.model.num_bits, of_run(run, dataset)["relaxed"], seconds)


def of_run(run: Run, dataset: Dataset) -> dict[str, dict[str, float]]:
    """The AUC on the test split, by form and protocol."""
    protocols = evaluate(run, "test", dataset, full=False)["protocols"]
    forms = [form for form in ("binary", "relaxed", "asymmetric") if form in protocols[PROTOCOLS[0]]]
    return {form: {name: float(protocols[name][form]["auc"]) for name in PROTOCOLS} for form in forms}


def truth(root: Path, subset: str, dataset: Dataset) -> Iterator[Measured]:
    """What the planted truth of a sample scores; nothing for other data."""
    if (root / TRUTH_FILE).is_file():
        metrics: Mapping[str, Any] = dict(evaluate_split(truth_scorer(root, subset), dataset.split("test")))
        yield Measured("planted truth", 0, {name: float(metrics[name]["auc"]) for name in PROTOCOLS})


def gathered(rows: Sequence[Measured]) -> dict[str, Any]:
    """One row of the table: by protocol the mean over the seeds and the deviation."""
    auc = {}
    for name in rows[0].auc:
        values = [row.auc[name] for row in rows]
        auc[name] = {"mean": mean(values), "std": stdev(values) if len(values) > 1 else None}
    seconds = [row.seconds for row in rows if row.seconds is not None]
    return {
        "name": rows[0].name,
        "bits": rows[0].bits,
        "seeds": len(rows),
        "auc": auc,
        "seconds": mean(seconds) if seconds else None,
    }


def sizes(dataset: Dataset) -> dict[str, int]:
    """Rows of each split."""
    return {name: len(split.positives) for name, split in dataset.splits.items()}


if __name__ == "__main__":
    main()
