"""The files of a generation: items and pool as of a compaction, in the formats of a bundle and its index.

bundle/live/generation-N/
  manifest.json                      format version, fingerprint of the bundle, checksum of every file
  ids/items.N.*.npy                  item ids of type number N; removed items keep their row, but have no id
  codes/items.N.npy, bias.N.npy      as in the bundle, including added items
  encoder/items.N.npy                the same, if the bundle has an outfit encoder
  index/                             the pool, as build_index writes it

Items keep their rows; outfits get new rows in order of ids. The exported files stay unchanged.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fashion_hash.bundle.bundle import LIVE_FOLDER, Bundle, BundleChanges
from fashion_hash.bundle.catalogue import Catalogue, LaterLines
from fashion_hash.core.arrays import open_array
from fashion_hash.core.files import atomic_folder
from fashion_hash.core.ids import IdTable
from fashion_hash.core.manifest import read_manifest, seal
from fashion_hash.errors import BundleError
from fashion_hash.index import pool as index
from fashion_hash.index.build import write_pool
from fashion_hash.index.engines.open import EngineName, open_engine
from fashion_hash.index.outfit_terms import OutfitTerms
from fashion_hash.index.outfit_vectors import encoder_of
from fashion_hash.index.pool import Pool
from fashion_hash.index.scoring import PoolRows
from fashion_hash.inference.outfit_encoder import open_encoded
from fashion_hash.live.snapshot import Base, Snapshot

FORMAT, FORMAT_VERSION = "fashion_hash generation", 1


def open_base(
    bundle: Bundle,
    generation: int,
    *,
    engine: EngineName,
    verify: bool,
    later: LaterLines | None = None,
) -> Base:
    """Opens the files of a generation.

    Args:
        bundle: the exported bundle.
        generation: its number; 0 for the export.
        engine: the name of the engine that searches the pool.
        verify: compare the checksum of every file.
        later: the catalogue lines of items that were added or updated since the export.

    Raises:
        BundleError: the files are missing, belong to another bundle or were changed.
    """
    view = bundle.view(catalogue=Catalogue(bundle.path / "catalogue.sqlite", later))
    path = bundle.path / index.FOLDER
    if generation:
        folder = generation_path(bundle.path, generation)
        manifest = read_manifest(folder, FORMAT, FORMAT_VERSION, verify=verify)
        if manifest["bundle"] != bundle.fingerprint:
            raise BundleError(
                f"{folder} belongs to bundle {manifest['bundle']}, but {bundle.path} is bundle {bundle.fingerprint}: "
                f"move {folder.parent} away to use the bundle as exported"
            )
        view = view.view(**_items_of(bundle, folder))
        path = folder / "index"
    pool = Pool.open(view, verify=verify, path=path)
    return Base(generation, view, pool, open_engine(engine, view, pool))


def _items_of(bundle: Bundle, folder: Path) -> BundleChanges:
    """The items of a generation, including those added before it."""
    items, codes, bias, encoded = {}, {}, {}, {}
    shape = {"M": len(bundle.modalities), "W": bundle.num_bits // 8}
    for number, item_type in enumerate(bundle.types):
        items[item_type] = ids = IdTable.open(item_type, folder / "ids", f"items.{number}")
        codes[item_type] = open_array(folder / f"codes/items.{number}.npy", "codes/items.*.npy", N=len(ids), **shape)
        bias[item_type] = open_array(folder / f"codes/bias.{number}.npy", "codes/bias.*.npy", N=len(ids))
        if item_type in bundle.encoded_items:
            encoded[item_type] = open_encoded(folder / "encoder", number, encoder_of(bundle), len(ids))
    return {"items": items, "item_codes": codes, "item_bias": bias, "encoded_items": encoded}


def generation_path(bundle_path: Path, generation: int) -> Path:
    """The folder of a generation."""
    return bundle_path / LIVE_FOLDER / f"generation-{generation}"


def write_generation(snapshot: Snapshot, generation: int) -> Path:
    """Writes the files of a snapshot atomically. Returns their folder."""
    bundle, pool = snapshot.bundle, snapshot.base.pool
    path = generation_path(bundle.path, generation)
    alive = np.ones(len(snapshot.ids), dtype=bool) if snapshot.alive is None else snapshot.alive
    kept = np.flatnonzero(alive)
    encoded = snapshot.ids.encoded[kept]
    order = np.argsort(encoded, kind="stable")
    kept, encoded = kept[order], encoded[order]
    terms = OutfitTerms(
        *(
            np.concatenate([getattr(pool, name), added])[kept]
            for name, added in zip(OutfitTerms._fields, snapshot.added.terms)
        )
    )
    with atomic_folder(path) as folder:
        (folder / "codes").mkdir()
        (folder / "index").mkdir()
        for number, item_type in enumerate(bundle.types):
            findable = bundle.items[item_type].findable
            ids = IdTable.of_encoded(item_type, bundle.items[item_type].encoded, None if findable.all() else findable)
            ids.save(folder / "ids", f"items.{number}")
            np.save(folder / f"codes/items.{number}.npy", bundle.item_codes[item_type])
            np.save(folder / f"codes/bias.{number}.npy", bundle.item_bias[item_type])
            if item_type in bundle.encoded_items:
                (folder / "encoder").mkdir(exist_ok=True)
                np.save(folder / f"encoder/items.{number}.npy", bundle.encoded_items[item_type])
        items = snapshot.items_of(kept).astype(np.int32)
        own = snapshot.own_of(kept)
        vectors = np.concatenate([pool.vectors, snapshot.added.vectors])[kept]
        ids = IdTable.of_encoded("outfit", encoded)
        write_pool(folder / "index", bundle, ids, PoolRows(items, terms, vectors, own))
        seal(
            folder,
            {
                "format": FORMAT,
                "format_version": FORMAT_VERSION,
                "bundle": bundle.fingerprint,
                "generation": generation,
            },
        )
    return path
