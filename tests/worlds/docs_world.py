"""What the examples of the documents find: a small sample, its configurations, and trained bundles, made in seconds.

The documents speak of what `make demo` leaves in a clone. Here the same files lie in a folder of their own, from a
sample of a tenth of the size and a few epochs.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from pathlib import Path

import fashion_hash as fh
from fashion_hash.config.experiment import load_experiment
from fashion_hash.config.requests import RequestConfig
from fashion_hash.index.partners import build_partners
from fashion_hash.training.export.requests import export_requests
from fashion_hash.training.requests.loop import fit_requests
from tests.paths import PROJECT

SAMPLE = {"users": 12, "items": 24, "outfits_per_user": 12}
EPOCHS = 2


def make_docs_world(folder: Path) -> None:
    """Makes the folder: polyvore_data, configs, tools, runs/demo and runs/requests_sample with their bundles."""
    shutil.copytree(PROJECT / "tools", folder / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "configs").mkdir()
    for path in (PROJECT / "configs").glob("*.yaml"):
        text = re.sub(r"\bepochs: \d+", f"epochs: {EPOCHS}", path.read_text(encoding="utf-8"))
        text = re.sub(r"^image: .*\n", "", text, flags=re.MULTILINE)  # drawing pictures takes longer than the rest
        text = text.replace("{source: vectors}", "{source: vectors, head: linear}")  # a hundredth of the parameters
        (folder / "configs" / path.name).write_text(text, encoding="utf-8")
    with contextlib.chdir(folder):
        fh.make_sample("polyvore_data", seed=0, variable=True, pictures=False, **SAMPLE)
        config = fh.load_config("configs/demo.yaml")
        _index(fh.export_bundle(fh.fit(config)), config)
        requests = load_experiment("configs/requests_sample.yaml")
        assert isinstance(requests, RequestConfig)
        _index(export_requests(fit_requests(requests)), config)


def _index(bundle: fh.Bundle, config: fh.Config) -> None:
    fh.build_index(bundle, fh.load_data(config).outfits)
    build_partners(bundle)
