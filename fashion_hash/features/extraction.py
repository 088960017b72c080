"""Image features, extracted once by a frozen backbone or another encoder into a store on disk.

Shapes: N items, B batch, F feature.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from tqdm import tqdm

from fashion_hash.config.experiment import Config
from fashion_hash.config.network import ImageConfig
from fashion_hash.data.dataset import Dataset
from fashion_hash.data.stores.features import FeatureStore, FeatureWriter
from fashion_hash.data.stores.pictures import PictureStore, picture_digest
from fashion_hash.encoders.pictures.contract import PictureEncoder
from fashion_hash.encoders.pictures.descriptors import DescriptorEncoder
from fashion_hash.encoders.pictures.extraction import Plan, extract_pictures
from fashion_hash.errors import ConfigError, FeatureError, counted, shown
from fashion_hash.features.backbone import Backbone, build_backbone, name_with_pooling
from fashion_hash.features.picture_encoders import BackboneEncoder, open_picture_encoder
from fashion_hash.features.pictures import PictureBatch, picture_batches
from fashion_hash.features.table import FeatureTable, make_table
from fashion_hash.inference.normaliser import Normalise

THREADS = min(os.cpu_count() or 1, 8)  # for decoding pictures

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExtractionReport:
    """What an extraction did.

    Attributes:
        store: the path of the feature store.
        done: how many features were extracted in this call.
        already: how many features the store already held.
        missing: items that have no picture.
        undecodable: items whose picture cannot be decoded.
        anew: how many of `done` replaced the feature of an older picture.
        pictures: the path the pictures were read from; an LMDB takes precedence over files.
    """

    store: Path
    done: int
    already: int
    missing: Sequence[str]
    undecodable: Sequence[str]
    anew: int = 0
    pictures: Path | None = None

    def __str__(self) -> str:
        """The report in one line."""
        source = f"; read from {self.pictures}" if self.pictures else ""
        changed = f" ({self.anew} of them because their picture changed)" if self.anew else ""
        return (
            f"{self.store}: {counted(self.done, 'feature')} extracted{changed}, {self.already} already stored; "
            f"{_count(self.missing, 'item', 'without a picture')}; "
            f"{_count(self.undecodable, 'picture', 'that cannot be decoded')}{source}"
        )


def picture_store(dataset: Dataset) -> PictureStore:
    """The pictures of a data set. Raises FeatureError when it has none."""
    if dataset.content.pictures is None:
        raise FeatureError(
            f"{dataset.name} has no pictures: add them where its format keeps them (images/lmdb or "
            "images/291x291), or remove the section image from the configuration"
        )
    return PictureStore(dataset.content.pictures, dataset.content.picture_keys, dataset.content.newer_pictures)


def item_ids(dataset: Dataset) -> list[str]:
    """The distinct ids of all items of all types: the keys of pictures and features."""
    return list(dict.fromkeys(item_id for item_type in dataset.types for item_id in dataset.items[item_type]))


def extract_features(
    dataset: Dataset,
    backbone: Backbone,
    store_path: str | Path,
    size: int,
    *,
    batch_size: int = 64,
    device: str | torch.device = "cpu",
) -> ExtractionReport:
    """Extracts the features that the store lacks, and those whose picture has changed.

    Every picture is read to compare its digest with that of the picture whose feature is stored. The feature of
    a picture that no longer exists is kept; that of a picture that can no longer be decoded is removed.

    Each batch is committed, so an interrupted extraction continues where it stopped. It ends with the same bytes,
    because the batches are always cut from the whole list of items at the same places.

    Args:
        dataset: its items and pictures.
        backbone: the image network; it is moved to `device` and put into evaluation mode.
        store_path: the feature store; it is created if it does not exist.
        size: pictures are resized to size x size pixels.
        batch_size: B, how many pictures the network reads at a time.
        device: where the network runs.

    Raises:
        FeatureError: the store holds the features of another network, no item has a picture that can
            be decoded, or a feature is not finite.
        ConfigError: the network cannot read pictures of this size.
    """
    store_path = Path(store_path)
    pictures = picture_store(dataset)
    backbone.to(device).eval().check_size(size)
    ids = item_ids(dataset)
    digests = _digests(pictures, ids)
    with FeatureWriter(store_path, backbone.fingerprint(size), backbone.dim) as writer:
        absent, lacking = set(writer.missing(ids)), set(writer.missing(ids, digests))
        cut = (ids[start : start + batch_size] for start in range(0, len(ids), batch_size))
        batches = [rest for batch in cut if (rest := [item_id for item_id in batch if item_id in lacking])]
        extracted = _extract(backbone, picture_batches(pictures, batches, size, THREADS), writer, digests, len(lacking))
    already = len(ids) - len(lacking)
    anew = len((lacking - absent).difference(extracted.undecodable))
    report = ExtractionReport(
        store_path, extracted.done, already, extracted.missing, extracted.undecodable, anew, pictures.path
    )
    if not report.done and not already:
        raise FeatureError(f"no item of {dataset.name} has a picture that can be decoded: {report}")
    return report


class _Extracted(NamedTuple):
    done: int
    missing: list[str]
    undecodable: list[str]


@torch.inference_mode()
def _extract(
    backbone: Backbone, batches: Iterator[PictureBatch], writer: FeatureWriter, digests: dict[str, bytes], total: int
) -> _Extracted:
    """Extracts and stores the features of batches of pictures, on the device of the network."""
    done, missing, undecodable = 0, [], []
    with tqdm(total=total, desc=f"{backbone.name} features", unit="picture", disable=None) as progress:
        for batch in batches:
            missing += batch.missing
            undecodable += batch.undecodable
            known = [item_id for item_id, is_known in zip(batch.keys, batch.known) if is_known]
            if known:
                features = backbone(batch.pictures[torch.from_numpy(batch.known)].to(backbone.mean.device))
                writer.put(known, features.cpu().numpy(), digests)
            if batch.undecodable:
                writer.remove(batch.undecodable)
            done += len(known)
            progress.update(len(batch.keys))
    return _Extracted(done, missing, undecodable)


def _digests(pictures: PictureStore, ids: Sequence[str]) -> dict[str, bytes]:
    """The digest of every picture that exists, by item id."""
    digests = {}
    for item_id in tqdm(ids, desc="comparing pictures", unit="picture", disable=None):
        if (encoded := pictures.get(item_id)) is not None:
            digests[item_id] = picture_digest(encoded)
    return digests


def feature_store_path(config: Config) -> Path:
    """The path of a configuration's features: `image.store`, or a file in features/ of the data root."""
    if config.image is None:
        raise ConfigError("the configuration has no section image, so there are no features to extract")
    if config.image.store is not None:
        return Path(config.image.store)
    if config.image.encoder is not None:
        name = config.image.encoder.replace("/", "-")
    else:
        name = f"{name_with_pooling(config.image.backbone, config.image.pooling)}-{config.image.size}px"
    return Path(config.data.root) / "features" / f"{name}.lmdb"


def extract_for(config: Config, dataset: Dataset, device: str | torch.device, batch_size: int = 64) -> ExtractionReport:
    """Extracts the features that the store of a configuration lacks."""
    path = feature_store_path(config)
    assert config.image is not None
    if config.image.encoder is not None:
        return _extract_by_encoder(dataset, picture_encoder(config.image, config.seed), path, batch_size)
    backbone = backbone_of(config.image, config.seed)
    return extract_features(dataset, backbone, path, config.image.size, batch_size=batch_size, device=device)


def backbone_of(image: ImageConfig, seed: int) -> Backbone:
    """The torchvision network that a configuration names."""
    return build_backbone(image.backbone, image.weights, seed, image.pooling)


def picture_encoder(image: ImageConfig, seed: int, device: str | torch.device = "cpu") -> PictureEncoder:
    """The encoder of a configuration's pictures."""
    if image.encoder is None:
        return BackboneEncoder(backbone_of(image, seed), image.size, device)
    weights = None if image.encoder == DescriptorEncoder.kind else image.weights
    return open_picture_encoder(image.encoder, weights)


def _extract_by_encoder(dataset: Dataset, encoder: PictureEncoder, path: Path, batch_size: int) -> ExtractionReport:
    """Extracts in this process: who trains from a script of their own may not have guarded it against being spawned."""
    pictures = picture_store(dataset)
    extracted = extract_pictures(pictures, item_ids(dataset), path, Plan(lambda: encoder, batch_size=batch_size))
    report = ExtractionReport(
        path,
        extracted.done,
        extracted.already,
        extracted.missing,
        list(extracted.bad),
        extracted.anew,
        pictures.path,
    )
    if not report.done and not report.already:
        raise FeatureError(f"no item of {dataset.name} has a picture that can be decoded: {report}")
    return report


def image_table(config: Config, dataset: Dataset, device: str | torch.device) -> FeatureTable:
    """The image features of all items; those that the store lacks are extracted first.

    A store made by another program (without a fingerprint of the network) is used as it is.
    """
    path = feature_store_path(config)
    assert config.image is not None
    if config.image.store is not None and path.exists() and not FeatureStore(path).fingerprint:
        log.warning("%s does not say which network made its features: they are used as they are", path)
    else:
        report = extract_for(config, dataset, device)
        if report.missing or report.undecodable:
            log.warning("%s; each of these items gets the mean feature of its type", report)
    return read_table(dataset, path, config.image.normalise)


def read_table(dataset: Dataset, store_path: str | Path, normalise: Normalise = "none") -> FeatureTable:
    """The feature table of a store."""
    store = FeatureStore(store_path)
    raw: dict[str, np.ndarray] = {}
    known: dict[str, np.ndarray] = {}
    for item_type in dataset.types:
        ids = dataset.items[item_type]
        raw[item_type] = np.zeros((len(ids), store.dim), dtype=np.float32)
        known[item_type] = np.zeros(len(ids), dtype=bool)
        for row, item_id in enumerate(ids):
            feature = store.get(item_id)
            if feature is not None:
                raw[item_type][row], known[item_type][row] = feature, True
    return make_table(dataset, "image", raw, known, normalise)


def _count(ids: Sequence[str], noun: str, what: str) -> str:
    first = ", ".join(shown(item_id) for item_id in ids[:3])
    return f"{counted(len(ids), noun)} {what}" + (f" ({first}{', ...' if len(ids) > 3 else ''})" if ids else "")
