"""The inputs of the hashing modules for items: rows of embeddings, feature vectors, or pictures."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from fashion_hash.config.experiment import Config
from fashion_hash.data.dataset import Dataset
from fashion_hash.data.stores.pictures import survey
from fashion_hash.errors import counted, shown
from fashion_hash.features.attributes import attributes_table
from fashion_hash.features.backbone import Backbone
from fashion_hash.features.cooccurrence import cooccurrence_table
from fashion_hash.features.extraction import backbone_of, image_table, picture_store
from fashion_hash.features.pictures import load_pictures, random_views
from fashion_hash.features.table import FeatureTable, reduced, train_items
from fashion_hash.features.text import text_table, titles_of
from fashion_hash.training.device import choose_device
from fashion_hash.training.own_rows import OwnRows

log = logging.getLogger(__name__)


class ItemInputs:
    """Inputs of items by modality and type.

    Frozen features are kept in memory; if a backbone is trained as well, pictures are decoded on demand.

    Attributes:
        device: the device of the inputs.
        num_items: vocabulary size by type.
        num_known: number of training items by type.
        feature_dims: feature length F of each content modality.
        own: which outfits have codes of their own; None where none has.
        tables: the feature tables of frozen modalities.
        backbone: the image network, if it is trained as well.
    """

    def __init__(self, config: Config, dataset: Dataset) -> None:
        self.config = config
        self.dataset = dataset
        self.device = choose_device(config.train.device)
        self.num_items = {item_type: len(dataset.items[item_type]) for item_type in dataset.types}
        seen = train_items(dataset)
        self.num_known = {item_type: int(mask.sum()) for item_type, mask in seen.items()}
        # the row of an item among the training items; all others share the row of the unknown item
        self._id_rows = {
            item_type: torch.from_numpy(np.where(mask, np.cumsum(mask) - 1, mask.sum()).astype(np.int64)).to(
                self.device
            )
            for item_type, mask in seen.items()
        }
        self.own = None if config.outfit is None else OwnRows.of(dataset.split("train").positives)
        self.tables: dict[str, FeatureTable] = {}
        self.backbone: Backbone | None = None
        self._seen = seen
        self.feature_dims: dict[str, int] = {}
        if config.image is not None and config.image.mode == "frozen":
            self.tables["image"] = reduced(image_table(config, dataset, self.device), dataset, config.image.components)
        elif config.image is not None:
            self.backbone = backbone_of(config.image, config.seed)
            self.backbone.check_size(config.image.size)
            self._pictures = picture_store(dataset)
            self._decoders = ThreadPoolExecutor(config.train.workers)
            self.feature_dims["image"] = self.backbone.dim
        if config.text is not None:
            self.tables["text"] = reduced(text_table(config, dataset), dataset, config.text.components)
        if config.cooccurrence is not None:
            self.tables["cooccurrence"] = cooccurrence_table(dataset, config.cooccurrence.dim)
        if config.attributes is not None:
            self.tables["attributes"] = attributes_table(config, dataset)
        self._features: dict[str, dict[str, Tensor]] = {}
        for modality, table in self.tables.items():
            self.feature_dims[modality] = table.dim
            self._features[modality] = {
                item_type: torch.from_numpy(features).to(self.device) for item_type, features in table.features.items()
            }

    @property
    def known_items(self) -> Mapping[str, np.ndarray]:
        """By type, (N,) bool: the items that occur in training."""
        return self._seen

    @cached_property
    def known(self) -> dict[str, Mapping[str, np.ndarray]]:
        """For each modality and type, (N,) bool: the items with known content.

        If a backbone is trained, every picture is decoded once to find out.
        """
        known: dict[str, Mapping[str, np.ndarray]] = {name: table.known for name, table in self.tables.items()}
        if self.backbone is not None:
            known["image"] = self._decodable()
        if self.config.id is not None:
            known["id"] = self._seen
        return known

    @cached_property
    def fingerprints(self) -> dict[str, str]:
        """A fingerprint of the features of each content modality, or of the titles they are made from.

        The pictures of a trained backbone have none, nor have features that are made from outfits.
        """
        fingerprints = {}
        for modality, table in self.tables.items():
            if modality == "cooccurrence":  # the outfits have their own fingerprint
                continue
            of_features = table.digest_of_features(self.dataset.types)
            if table.encoder is not None:  # the last bits of vectors may differ between machines
                titles = titles_of(self.dataset)
                words = [json.dumps([modality, item_type, titles[item_type]]) for item_type in self.dataset.types]
                of_features = hashlib.sha256("".join(words).encode()).hexdigest()
            fingerprints[f"{modality} features"] = of_features[:12]
        return fingerprints

    def __call__(
        self,
        rows: Mapping[str, Tensor],
        hidden: Mapping[str, Tensor] | None = None,
        augment: np.random.Generator | None = None,
    ) -> dict[str, dict[str, Tensor]]:
        """The inputs of items by modality and type.

        Args:
            rows: by type, (N,) int64 rows of items, on the CPU; types may be absent.
            hidden: by type, (N,) bool: items whose id is replaced by the unknown item of their type.
            augment: source of randomness for augmenting pictures; None for no augmentation.
        """
        inputs: dict[str, dict[str, Tensor]] = {}
        for modality in self.config.modalities:
            if modality == "id":
                inputs["id"] = {item_type: self._ids(item_type, of_type, hidden) for item_type, of_type in rows.items()}
            elif modality in self._features:
                table = self._features[modality]
                inputs[modality] = {
                    item_type: table[item_type][of_type.to(self.device)] for item_type, of_type in rows.items()
                }
            else:
                inputs[modality] = {
                    item_type: self._load(item_type, of_type, augment) for item_type, of_type in rows.items()
                }
        return inputs

    def _ids(self, item_type: str, rows: Tensor, hidden: Mapping[str, Tensor] | None) -> Tensor:
        known = self._id_rows[item_type][rows.to(self.device)]
        return (
            known if hidden is None else known.masked_fill(hidden[item_type].to(self.device), self.num_known[item_type])
        )

    def _load(self, item_type: str, rows: Tensor, augment: np.random.Generator | None) -> Tensor:
        assert self.config.image is not None
        ids = self.dataset.items[item_type].ids
        keys = [ids[row] for row in rows.tolist()]
        views = None if augment is None else random_views(len(keys), augment, self.config.image.augment)
        batch = load_pictures(self._pictures, keys, self.config.image.size, views, self._decoders)
        return batch.pictures.to(self.device)

    def _decodable(self) -> dict[str, np.ndarray]:
        ids = {item_type: self.dataset.items[item_type].ids for item_type in self.dataset.types}
        missing, undecodable = survey(
            self._pictures, list(dict.fromkeys(item_id for item_type in ids for item_id in ids[item_type]))
        )
        bad = {*missing, *undecodable}
        if bad:
            log.warning(
                "%s without a picture and %s that cannot be decoded, such as %s: these items have no image",
                counted(len(missing), "item"),
                counted(len(undecodable), "picture"),
                shown(next(iter(bad))),
            )
        return {item_type: np.array([item_id not in bad for item_id in ids[item_type]]) for item_type in ids}
