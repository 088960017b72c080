"""One YAML file describes one study: variants of an experiment, trained with several seeds and compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from fashion_hash.config.experiment import validated
from fashion_hash.config.sections import Name, Section, Seed
from fashion_hash.config.yaml_text import MOST_CHARACTERS, parse_yaml
from fashion_hash.errors import ConfigError, suggest


class VariantConfig(Section):
    """A variant: what it changes, or which runs it measures in another form.

    Attributes:
        config: its configuration file, relative to the study's; that of the study if left out.
        set: keys with dots and their values, such as {model.num_bits: 64, teacher: null}.
        run_of: keys that name the run of another variant with the same seed, such as {teacher.run: teacher}.
        same_runs: the variant whose runs are measured; this one then trains nothing.
        form: "binary", "asymmetric" (binary items, users as user.code says, or in bytes) or "relaxed" for outfits, the
            name of a scorer for requests; if left out, the form in which the run answers.
        calibrate: as in `evaluate`; by default as the configuration says.
    """

    config: str | None = None
    set: dict[str, Any] = Field(default_factory=dict)
    run_of: dict[str, str] = Field(default_factory=dict)
    same_runs: str | None = None
    form: str | None = None
    calibrate: bool | None = None

    @model_validator(mode="after")
    def _check(self) -> VariantConfig:
        if self.same_runs is not None and (self.config is not None or self.set or self.run_of):
            raise ValueError("same_runs measures the runs of another variant: leave out config, set and run_of")
        return self


class StudyConfig(Section):
    """A study.

    Attributes:
        name: of the study; its folder is runs/NAME.
        config: the configuration file of the variants, relative to the study's.
        seeds: of the runs of each variant.
        split: what is measured: "test", "valid" or "train".
        drawn: whether to rank against drawn negatives as well, as `evaluate --drawn` does.
        full: whether to make full rankings of any size, as `evaluate --full` does; if not, those of the usual size.
        set: keys with dots and their values, for every run.
        against: the variant that the others are compared with; the first if left out.
        figures: what the tables show, such as "rank_random auc"; if left out, the usual ones of each protocol.
        variants: by name, in the order of the table.
    """

    name: Name
    config: str
    seeds: tuple[Seed, ...] = (0, 1, 2)
    split: str = "test"
    drawn: bool = False
    full: bool = False
    set: dict[str, Any] = Field(default_factory=dict)
    against: str | None = None
    figures: tuple[str, ...] = ()
    variants: dict[str, VariantConfig]

    @model_validator(mode="after")
    def _check(self) -> StudyConfig:
        if not self.variants or not self.seeds:
            raise ValueError(f"{'variants' if not self.variants else 'seeds'} is empty: name at least one")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds: a seed is named twice in {list(self.seeds)}")
        named = {"against": self.against} if self.against is not None else {}
        for name, variant in self.variants.items():
            named |= {f"{name}.run_of.{key}": other for key, other in variant.run_of.items()}
            if variant.same_runs is not None:
                named[f"{name}.same_runs"] = variant.same_runs
        for key, other in named.items():
            if other not in self.variants:
                raise ValueError(f"{key}: no variant {other!r}{suggest(other, self.variants)}")
        for name, variant in self.variants.items():
            if variant.same_runs is not None and self.variants[variant.same_runs].same_runs is not None:
                raise ValueError(f"{name}.same_runs: {variant.same_runs!r} itself measures the runs of another variant")
        return self


def is_study(path: str | Path) -> bool:
    """Whether a file that can be read has variants, as studies have and experiments have not."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, ValueError):
        return False
    return any(line.startswith("variants:") for line in text.splitlines())


def load_study(path: str | Path) -> StudyConfig:
    """Reads a study.

    Raises:
        ConfigError: it cannot be read, is not YAML, has an unknown key, or names a variant that does not exist.
    """
    path = Path(path)
    try:
        with open(path, "rb") as stream:
            text = stream.read(4 * MOST_CHARACTERS + 1).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from None
    values = parse_yaml(text, str(path))
    if not isinstance(values, dict):
        raise ConfigError(f"{path} must hold sections and keys with values, such as `name: my-study`")
    return validated(StudyConfig, values, str(path), text)
