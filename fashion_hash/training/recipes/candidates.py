"""The candidates of a recipe: which settings are tried for data of which sizes, most promising first.

Each is what a configuration file would say. They come from what helped on the data sets measured so far; which of them
is right for other data, validation decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fashion_hash.config.experiment import CONTENT, Config, make_config
from fashion_hash.errors import ConfigError
from fashion_hash.training.recipes.facts import Facts

Values = dict[str, Any]

LONG = ("text", "image")
"""The modalities whose features may be long."""
COMPONENTS = ((20_000, 128), (200_000, 512), (float("inf"), 1024))
"""How many of long features are read where there are fewer rows than that: few rows are soon learned by heart."""


class Candidate(NamedTuple):
    """A candidate: a name that says what differs, and the values that the configuration leaves out."""

    name: str
    values: Values


def merged(values: Mapping[str, Any], over: Mapping[str, Any]) -> Values:
    """Values with others over them, section by section."""
    found = dict(values)
    for key, value in over.items():
        below = found.get(key)
        found[key] = merged(below, value) if isinstance(value, dict) and isinstance(below, dict) else value
    return found


# what is tried on outfits that users made of items with content, over what all have in common
_HARD: Values = {"kind": "mixed", "hard_share": [0.3, 0.3]}
_BIAS: Values = {"model": {"item_bias": True}}
_BASE: Values = merged(_BIAS, {"model": {"dropout": 0.0, "code_dropout": 0.5}, "negatives": _HARD})
_SLOPED: Values = {"model": {"dropout": 0.5, "code_dropout": 0.0}}
_WARDROBES: Mapping[str, Values] = {
    "item bias, hard negatives": _BASE,
    "fast heads": merged(_BASE, {"optimiser": {"rates": {f"{name}_head": 2e-3 for name in CONTENT}}}),
    "softmax": merged(_BASE, {"loss": {"kind": "softmax"}}),
    "light pairs": merged(_BASE, {"model": {"item_weight": 0.1}}),
    "fast users": merged(_BASE, {"optimiser": {"rates": {"user": 0.05}}}),
    "no item bias": merged(_BASE, {"model": {"item_bias": False}}),
    "random negatives": merged(_BASE, {"negatives": {"kind": "random"}}),
    "heavy pairs": merged(_BASE, {"model": {"item_weight": 1.0}}),
    "all features": merged(merged(_BASE, _SLOPED), {name: {"components": None} for name in LONG}),
    "ids beside content": merged(_BASE, {"id": {"hide": 0.1}}),
    "spectral start": merged(_BASE, {"train": {"start": "spectral"}}),
    "deep heads": merged(merged(_BASE, _SLOPED), {name: {"head": "fhn"} for name in CONTENT}),
}
# ids alone: their rows are updated when they occur, and forget old steps
_OF_IDS: Values = {
    "model": {"item_bias": True},
    "optimiser": {"row_momentum": 0.0, "weight_decay": 5e-5, "rates": {"bit_weights": 1e-4}},
}
_SHARED: Values = merged(_OF_IDS, {"negatives": {"kind": "shared", "per_positive": 512}})
# what sampled softmax over real outfits needs
_REAL: Values = {
    "loss": {"kind": "softmax"},
    "negatives": {"kind": "outfits", "per_positive": 1024, "popularity": 0.75},
    "train": {"start": "spectral", "calibrate": "outfits"},
}
_LOG: Values = merged(
    merged(_OF_IDS, _REAL),
    {"model": {"item_weight": 0.1}, "train": {"best_by": "recall@20", "patience": 2}},
)
_SLOW: Values = {"optimiser": {"rates": {name: 1e-3 for name in ("user", "id", "item_bias", "outfit", "outfit_bias")}}}
# outfits start with bits that EASE taught; nothing is trained after that, so that epochs would not matter
_STILL: Values = {"rates": dict.fromkeys(("user", "id", "item_bias", "outfit", "outfit_bias", "bit_weights"), 0.0)}
_TAUGHT: Values = merged(
    _LOG,
    # what was taught is a likelihood over all outfits, which a sample of the pool does not weigh better
    {"outfit": {}, "model": {"user_weight": 0.05}, "train": {"start": "distilled", "calibrate": False}},
)
# what is tried on outfits of items without content
_IDS: Mapping[str, Values] = {
    "shared negatives": _SHARED,
    "shared negatives, spectral start": merged(_SHARED, {"train": {"start": "spectral"}}),
    "shared negatives, light pairs": merged(_SHARED, {"model": {"item_weight": 0.05}}),
    "real outfits, spectral start": merged(_SHARED, _REAL),
    "random negatives": merged(_SHARED, {"negatives": {"kind": "random", "per_positive": 10}}),
}
# what is tried on clicks
_CLICKS: Mapping[str, Values] = {
    "bits taught by EASE": merged(_TAUGHT, {"optimiser": _STILL, "train": {"epochs": 1}}),
    "real outfits": _LOG,
    "real outfits, slow": merged(_LOG, _SLOW),
    "bits taught by EASE, trained on": merged(_TAUGHT, _SLOW),
    "real outfits, drawn evenly": merged(_LOG, {"negatives": {"popularity": 0.0}}),
    "outfits of their own, slow": merged(_LOG, merged(_SLOW, {"outfit": {}})),
}


def candidates(config: Config, facts: Facts) -> list[Candidate]:
    """The candidates for a configuration and its data, most promising first.

    Args:
        config: with a recipe; what it gives itself, no candidate changes.
        facts: of the data.

    Raises:
        ConfigError: none of them goes with what the configuration gives.
    """
    base = merged(_features(config, facts), _common(facts))
    changes = _CLICKS if facts.are_clicks else _WARDROBES
    if not facts.are_clicks and not any(name in base or getattr(config, name) is not None for name in CONTENT):
        changes = _IDS
    found: dict[str, Candidate] = {}
    problem: ConfigError | None = None
    for name, values in changes.items():
        fitting = {key: value for key, value in values.items() if key not in CONTENT or key in base}
        candidate = Candidate(name, _at_most(merged(base, fitting), facts))
        try:
            text = with_values(config, candidate.values).to_yaml()
        except ConfigError as error:  # it does not go with what the configuration gives
            problem = problem or error
            continue
        found.setdefault(text, candidate)  # two that differ only in what the configuration gives are one
    if not found and problem is not None:
        raise problem
    return list(found.values())


def _at_most(values: Values, facts: Facts) -> Values:
    """With no more negatives than there are real outfits, or items to swap."""
    negatives = values["negatives"]
    there = {"outfits": facts.outfits, "shared": facts.fewest}.get(negatives["kind"], negatives["per_positive"])
    return merged(values, {"negatives": {"per_positive": min(negatives["per_positive"], there)}})


def with_values(config: Config, values: Mapping[str, Any]) -> Config:
    """A configuration with these values where it leaves them out, and without its recipe."""
    given = config.model_dump(mode="json", exclude_unset=True)
    del given["recipe"]
    return make_config(merged(values, given), config.name)


def epochs(config: Config, facts: Facts) -> int:
    """For how many epochs the chosen settings are trained: what the configuration gives, or by the size of the data."""
    if "epochs" in config.train.model_fields_set:
        return config.train.epochs
    if facts.are_clicks:
        return 8
    return max(12, min(24, round(_STEPS * _batch_size(facts) / max(1, facts.rows))))


_STEPS = 2000
"""About so many steps a training takes."""


def _batch_size(facts: Facts) -> int:
    return next(size for rows, size in ((20_000, 128), (200_000, 512), (float("inf"), 1024)) if facts.rows < rows)


def _features(config: Config, facts: Facts) -> Values:
    """The modalities: those of the configuration, or else what the data has."""
    if config.modalities:
        given = config.modalities
    elif facts.has_vectors or facts.has_titles:
        given = ("text",)
    elif facts.has_pictures:
        given = ("image",)
    else:
        given = ("id",)
    sections: dict[str, Values] = {
        "text": {"source": "vectors" if facts.has_vectors else "titles"},
        "image": {},
        "cooccurrence": {"head": "linear"},
        "id": {"hide": 0.05},
    }
    for name in LONG:
        sections[name] |= {"normalise": "standard", "head": "linear"}
        if not (name == "image" and config.image is not None and config.image.mode == "finetune"):
            sections[name]["components"] = next(count for rows, count in COMPONENTS if facts.rows < rows)
    if "image" not in config.modalities:
        sections["image"]["encoder"] = "descriptors"
    return {name: sections[name] for name in given}


def _common(facts: Facts) -> Values:
    rates = dict.fromkeys(("user", "id", "item_bias", "outfit", "outfit_bias"), 0.01) | {"bit_weights": 1e-3}
    return {
        "model": {"variant": "T3", "item_weight": 0.25},
        "optimiser": {
            "kind": "adam",
            "rates": rates | {f"{name}_head": 5e-4 for name in CONTENT},
            "weight_decay": 1e-6,
        },
        "negatives": {"kind": "random", "per_positive": 10},
        "train": {"batch_size": _batch_size(facts)},
    }


_DECAYS = (1e-5, 3e-4)
"""Of the two teachers: few outfits want more decay than many, and a student of both need not know which it has."""


def teacher_epochs(total: int) -> int:
    """For how many epochs a teacher is trained whose student is trained for so many."""
    return max(1, total * 2 // 3)


def teachers_of(config: Config, candidate: Candidate, total: int, facts: Facts) -> list[Config]:
    """The configurations of two teachers: FHN in floats over the same features, from two seeds and with two decays.

    Args:
        config: with a recipe.
        candidate: whose features the teachers have.
        total: the epochs of their student.
        facts: of the data.

    Returns:
        Nothing where no teacher was seen to help: on clicks, and on items without content.
    """
    if facts.are_clicks or not any(name in candidate.values for name in CONTENT):
        return []
    epochs = teacher_epochs(total)
    values = {name: candidate.values[name] for name in CONTENT if name in candidate.values}
    rates = {"user": 0.01, "item_bias": 0.01, "bit_weights": 1e-3} | {f"{name}_head": 5e-4 for name in CONTENT}
    model = {"kind": "fhn_floats", "num_bits": 128, "item_bias": True, "item_weight": 0.25, "user_init_std": 0.1}
    values |= {
        "model": {**model, "dropout": 0.0, "code_dropout": 0.5},
        "loss": {"kind": "softmax"},
        "negatives": _HARD | {"per_positive": 10},
        "optimiser": {"kind": "adam", "rates": rates},
        "train": {"epochs": epochs, "batch_size": _batch_size(facts), "average": max(1, epochs // 2)},
    }
    given = config.model_dump(mode="json", include={"name", "data", *CONTENT}, exclude_unset=True)
    found = []
    for number, decay in enumerate(_DECAYS):
        own = {"seed": config.seed + number, "optimiser": {"weight_decay": decay}}
        found.append(make_config(merged(merged(values, given), own), config.name))
    return found


def taught(teachers: Sequence[Path]) -> Values:
    """What a student of teachers has over other settings: soft pairs, which weigh more than what was worn."""
    lesson = {"run": [str(teacher) for teacher in teachers], "alpha": 0.0, "pairs": 3.0}
    return {
        "teacher": lesson,
        "model": {"dropout": 0.0, "code_dropout": 0.0},
        "optimiser": {"schedule": {"kind": "cosine"}},
        "negatives": _HARD,
        "train": {"start": None, "continuation": 4.0},
    }
