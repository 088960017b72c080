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
    from fashion_hash.bundle import Bundle
    from fashion_hash.config import Config, load_config, make_config
    from fashion_hash.data.check import check_dataset
    from fashion_hash.data.dataset import Dataset, Groups, Split
    from fashion_hash.data.load import load_dataset
    from fashion_hash.data.outfits import EMPTY, Outfits
    from fashion_hash.data.sample import make_sample
    from fashion_hash.data.vocabulary import Vocabulary
    from fashion_hash.errors import FashionHashError
    from fashion_hash.index.pool import build_index
    from fashion_hash.retrieval.recommender import Hit, Hits, ItemHits, OutfitHit, OutfitsFor, Recommender
    from fashion_hash.training.evaluate import evaluate
    from fashion_hash.training.export import export_bundle
    from fashion_hash.training.loop import fit
    from fashion_hash.training.run import Run, load_data

__version__ = "0.1.0"

_WHERE = {
    "EMPTY": "data.outfits",
    "Bundle": "bundle",
    "Config": "config",
    "Dataset": "data.dataset",
    "FashionHashError": "errors",
    "Groups": "data.dataset",
    "Hit": "retrieval.recommender",
    "Hits": "retrieval.recommender",
    "ItemHits": "retrieval.recommender",
    "OutfitHit": "retrieval.recommender",
    "Outfits": "data.outfits",
    "OutfitsFor": "retrieval.recommender",
    "Recommender": "retrieval.recommender",
    "Run": "training.run",
    "Split": "data.dataset",
    "Vocabulary": "data.vocabulary",
    "build_index": "index.pool",
    "check_dataset": "data.check",
    "evaluate": "training.evaluate",
    "export_bundle": "training.export",
    "fit": "training.loop",
    "load_config": "config",
    "load_data": "training.run",
    "load_dataset": "data.load",
    "make_config": "config",
    "make_sample": "data.sample",
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
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
