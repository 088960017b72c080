"""Personalised outfit recommendation in binary codes.

    import fashion_hash as fh

    config = fh.load_config("configs/demo.yaml")
    run = fh.fit(config)                                  # trains FHN, writes runs/demo
    print(fh.evaluate(run)["protocols"]["rank_random"]["binary"]["auc"])
    bundle = fh.export_bundle(run)                        # runs/demo/bundle: bits, nothing else
    fh.build_index(bundle, fh.load_data(config).outfits)
    ids, scores = fh.Recommender.load(bundle.path).recommend("7", k=10)

These names are the public API; everything else may move. The learning half (torch) is loaded when
one of its names is first used, so that a program that only answers never imports torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fashion_hash.bundle.bundle import Bundle
    from fashion_hash.config.experiment import Config, load_config, make_config
    from fashion_hash.core.outfits import EMPTY, Outfits
    from fashion_hash.core.vocabulary import Vocabulary
    from fashion_hash.data.checks.outfits import check_dataset
    from fashion_hash.data.dataset import Dataset, Groups, Split
    from fashion_hash.data.formats.saved import save_dataset
    from fashion_hash.data.load import load_dataset
    from fashion_hash.data.sample.write import make_sample
    from fashion_hash.errors import FashionHashError
    from fashion_hash.index.build import build_index
    from fashion_hash.retrieval.recommender import Hit, Hits, ItemHits, OutfitHit, OutfitsFor, Recommender
    from fashion_hash.training.export.bundle import export_bundle
    from fashion_hash.training.measure.outfits import evaluate
    from fashion_hash.training.recipes.auto import fit
    from fashion_hash.training.runs.run import Run, load_data

__version__ = "0.1.0"

_WHERE = {
    "EMPTY": "core.outfits",
    "Bundle": "bundle.bundle",
    "Config": "config.experiment",
    "Dataset": "data.dataset",
    "FashionHashError": "errors",
    "Groups": "data.dataset",
    "Hit": "retrieval.recommender",
    "Hits": "retrieval.recommender",
    "ItemHits": "retrieval.recommender",
    "OutfitHit": "retrieval.recommender",
    "Outfits": "core.outfits",
    "OutfitsFor": "retrieval.recommender",
    "Recommender": "retrieval.recommender",
    "Run": "training.runs.run",
    "Split": "data.dataset",
    "Vocabulary": "core.vocabulary",
    "build_index": "index.build",
    "check_dataset": "data.checks.outfits",
    "evaluate": "training.measure.outfits",
    "export_bundle": "training.export.bundle",
    "fit": "training.recipes.auto",
    "load_config": "config.experiment",
    "load_data": "training.runs.run",
    "load_dataset": "data.load",
    "make_config": "config.experiment",
    "make_sample": "data.sample.write",
    "save_dataset": "data.formats.saved",
}

__all__ = [
    "EMPTY",
    "Bundle",
    "Config",
    "Dataset",
    "FashionHashError",
    "Groups",
    "Hit",
    "Hits",
    "ItemHits",
    "OutfitHit",
    "Outfits",
    "OutfitsFor",
    "Recommender",
    "Run",
    "Split",
    "Vocabulary",
    "build_index",
    "check_dataset",
    "evaluate",
    "export_bundle",
    "fit",
    "load_config",
    "load_data",
    "load_dataset",
    "make_config",
    "make_sample",
    "save_dataset",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
