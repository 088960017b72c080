"""The baselines of an experiment, measured once and kept: RUN/baselines/SPLIT.json.

What is kept is used again while the data, the protocols, their negatives and the settings of a baseline are the same; a
baseline that was not asked for before is added. Trained ones are runs in RUN/baselines/NAME, and trained again where
their recipe, the data or its features are others.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fashion_hash.config.experiment import Config
from fashion_hash.core.files import write_text
from fashion_hash.data.dataset import Dataset
from fashion_hash.errors import MissingExtraError, QueryError, TrainingError, counted, suggest
from fashion_hash.evaluation.baselines.fit import BASELINES, Fitted, Fitter
from fashion_hash.evaluation.baselines.measure import Measures, measured, validation
from fashion_hash.evaluation.baselines.methods import METHODS
from fashion_hash.evaluation.protocols import Metrics
from fashion_hash.training.baselines.trained import TRAINED
from fashion_hash.training.measure.full import ENCODED
from fashion_hash.training.outfits.loop import fit
from fashion_hash.training.ranking.scores import full_scores
from fashion_hash.training.runs.item_inputs import ItemInputs
from fashion_hash.training.runs.run import Run, fingerprints
from fashion_hash.training.runs.scoring import ModelScorer, as_answered, trained_users
from fashion_hash.training.runs.validation import validation_split

FOLDER = "baselines"
ALL = (*BASELINES, *TRAINED)
"""The names of all baselines of outfits, in the order in which they are printed."""

Tell = Callable[[str], None]


class Baselines(NamedTuple):
    """The figures of baselines.

    Attributes:
        results: by baseline and protocol.
        settings: what was chosen on validation, by baseline and use.
        left_out: why a baseline has no figures, by "baseline NAME".
    """

    results: Mapping[str, Mapping[str, Metrics]]
    settings: Mapping[str, Mapping[str, Any]]
    left_out: Mapping[str, str]


def measure_baselines(
    config: Config,
    dataset: Dataset,
    measures: Measures,
    path: Path,
    names: Sequence[str] | None = None,
    tell: Tell = lambda line: None,
) -> Baselines:
    """Baselines by the protocols of a split, from `path` where they were measured before.

    Args:
        config: of the experiment; the features, the seed and the negatives of trained baselines come from it.
        dataset: the data of the experiment.
        measures: what is measured; figures are used again only where its outfits and statements are the same.
        path: the file that they are kept in; trained baselines get folders beside it.
        names: of baselines; all by default.
        tell: receives lines of text about what is done.

    Raises:
        QueryError: there is no baseline of one of the names.
    """
    names = check_names(names)
    key = {"data": measures.fingerprint(dataset), "seed": config.seed, "statements": dict(measures.statements)}
    kept = _kept(path, key)
    fitter = None
    for name in names:
        recipe = _recipe(name, config, dataset)
        if "results" in kept.get(name, {}) and kept[name]["recipe"] == recipe:
            continue
        tell(f"baseline {name} ...")
        if fitter is None:
            part = validation_split(dataset, config.seed)
            uses = measures.uses
            fitter = Fitter(dataset, uses, validation(dataset, part, uses.slots, config.seed), config.seed)
        try:
            made = _trained(name, config, dataset, measures, path.parent, tell) if name in TRAINED else fitter(name)
        except (QueryError, MissingExtraError) as error:
            kept[name] = {"absent": str(error)}
        else:
            results = measured(made, measures)
            kept[name] = {
                "results": results,
                "settings": made.settings,
                "left_out": _unranked(made, measures),
                "recipe": recipe,
            }
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps({"key": key, "baselines": kept}, indent=1) + "\n")
    of = {name: kept[name] for name in names}
    return Baselines(
        {name: entry["results"] for name, entry in of.items() if "results" in entry},
        {name: entry["settings"] for name, entry in of.items() if entry.get("settings")},
        _reasons(of),
    )


def _recipe(name: str, config: Config, dataset: Dataset) -> Any:
    """What the figures of a baseline depend on beside the data: the settings that are tried, as JSON keeps them.

    Of a trained one the configuration and the fingerprints of its data and features.
    """
    if name in TRAINED:
        own = TRAINED[name](config)
        try:
            data = fingerprints(ItemInputs(own, dataset))
        except (QueryError, MissingExtraError):
            data = None  # training will say what is missing
        return {"config": own.to_yaml(), "data": data}
    if name not in METHODS:
        return None
    method = METHODS[name]
    return {
        "settings": [dict(settings) for settings in method.settings],
        "columns": list(method.columns),
        "weights": list(method.weights),
    }


def _unranked(made: Fitted, measures: Measures) -> list[str]:
    """The rankings of items that take too long for a baseline which encodes every completed outfit."""
    lists = measures.lists.items()
    return [
        name for name, ranked in lists if ranked.partial is not None and made.slow and ranked.slot not in made.items
    ]


def _reasons(of: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Why baselines have no figures, or none of some rankings."""
    reasons = {f"baseline {name}": str(entry["absent"]) for name, entry in of.items() if "absent" in entry}
    for name, entry in of.items():
        for protocol in entry.get("left_out", ()):
            reasons[f"baseline {name}, {protocol}"] = f"would encode more than {counted(ENCODED[1], 'outfit')}"
    return reasons


def check_names(names: Sequence[str] | None) -> tuple[str, ...]:
    """The names in the order in which they are printed, written in any case; all for None.

    Raises:
        QueryError: a name is unknown, or there is none.
    """
    if names is None:
        return tuple(ALL)
    known = {name.casefold(): name for name in ALL}
    for name in names:
        if name.casefold() not in known:
            raise QueryError(f"no baseline {name!r}{suggest(name, ALL)}: use some of {', '.join(ALL)}")
    if not names:
        raise QueryError(f"no baseline is named: use some of {', '.join(ALL)}")
    wanted = {known[name.casefold()] for name in names}
    return tuple(name for name in ALL if name in wanted)


def _kept(path: Path, key: Mapping[str, Any]) -> dict[str, Any]:
    """What a file holds for this data and these protocols, by baseline; nothing where it is absent or broken."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return dict(content["baselines"]) if content["key"] == key else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _trained(name: str, config: Config, dataset: Dataset, measures: Measures, folder: Path, tell: Tell) -> Fitted:
    """A trained baseline, from its run where that is finished."""
    own = TRAINED[name](config)
    path = folder / name.replace(" ", "-")
    run = _finished(path, own, dataset) or fit(own, dataset, path, report=lambda line: tell(f"{name}: {line}"))
    model, inputs, slope = run.model(dataset)
    scorer, trained = ModelScorer(model, inputs, slope), trained_users(dataset)
    full = full_scores(scorer, trained)
    uses = measures.uses
    too_many = {lists.slot for lists in measures.lists.values() if lists.scores > ENCODED[1]}
    return Fitted(
        as_answered(scorer, trained),
        full.outfits(dataset.outfits) if uses.outfits else None,
        {slot: full.items for slot in uses.slots if full.fast_items or slot not in too_many},
        {"run": {"folder": str(path), "epoch": run.best_epoch}},
        slow=not full.fast_items,
    )


def _finished(path: Path, config: Config, dataset: Dataset) -> Run | None:
    """The finished run of a configuration on this data; None where it has to be trained."""
    try:
        run = Run.open(path)
    except TrainingError:
        return None
    if run.config != config or len(run.history) != config.train.epochs:
        return None
    return run if run.data == fingerprints(ItemInputs(config, dataset)) else None
