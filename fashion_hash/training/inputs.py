"""What the hashing modules take for items: rows of embeddings, feature vectors, or pictures."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from fashion_hash.config import Config
from fashion_hash.data.dataset import Dataset
from fashion_hash.errors import ConfigError
from fashion_hash.features.backbone import Backbone, build_backbone
from fashion_hash.features.extraction import image_table, picture_store
from fashion_hash.features.pictures import load_pictures
from fashion_hash.features.table import FeatureTable, train_items
from fashion_hash.features.text import text_table

log = logging.getLogger(__name__)


def choose_device(name: str) -> torch.device:
    """The device called `name`; "auto" is the first GPU, or the CPU where there is none."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"train.device {name!r} cannot be used here ({reason}): try auto or cpu") from None
    return device


class ItemInputs:
    """Inputs of items by modality and type.

    Frozen features lie in memory; pictures of a backbone that is trained as well are decoded when
    they are asked for.

    Attributes:
        device: where inputs are put.
        num_items: vocabulary size by type.
        num_known: by type, the number of items that occur in training.
        feature_dims: feature length F of each content modality.
        tables: the feature tables of frozen modalities.
        backbone: the image network when it is trained as well.
        known: for each modality and type, (N,) bool: items of which something is known.
    """

    def __init__(self, config: Config, dataset: Dataset) -> None:
        self.config = config
        self.dataset = dataset
        self.device = choose_device(config.train.device)
        self.num_items = {kind: len(dataset.items[kind]) for kind in dataset.types}
        seen = train_items(dataset)
        self.num_known = {kind: int(mask.sum()) for kind, mask in seen.items()}
        # row of an item among those seen in training; the others share the unknown item's row
        self._id_rows = {
            kind: torch.from_numpy(np.where(mask, np.cumsum(mask) - 1, mask.sum()).astype(np.int64)).to(self.device)
            for kind, mask in seen.items()
        }
        self.tables: dict[str, FeatureTable] = {}
        self.backbone: Backbone | None = None
        self.known: dict[str, Mapping[str, np.ndarray]] = {}
        self.feature_dims: dict[str, int] = {}
        if config.image is not None and config.image.mode == "frozen":
            self.tables["image"] = image_table(config, dataset, self.device)
        elif config.image is not None:
            self.backbone = build_backbone(config.image.backbone, config.image.weights, config.seed)
            self.backbone.check_size(config.image.size)
            self._pictures = picture_store(dataset)
            self._decoders = ThreadPoolExecutor(max(1, config.train.workers))
            self._undecodable: set[str] = set()
            self.feature_dims["image"] = self.backbone.dim
            self.known["image"] = {
                kind: np.array([one in self._pictures for one in dataset.items[kind]]) for kind in dataset.types
            }
        if config.text is not None:
            self.tables["text"] = text_table(config, dataset)
        if config.id is not None:
            self.known["id"] = seen
        self._features: dict[str, dict[str, Tensor]] = {}
        for modality, table in self.tables.items():
            self.feature_dims[modality] = table.dim
            self.known[modality] = table.known
            self._features[modality] = {
                kind: torch.from_numpy(one).to(self.device) for kind, one in table.features.items()
            }

    def __call__(
        self,
        rows: Mapping[str, Tensor],
        hidden: Mapping[str, Tensor] | None = None,
        augment: np.random.Generator | None = None,
    ) -> dict[str, dict[str, Tensor]]:
        """Inputs of some items.

        Args:
            rows: by type, (N,) int64 rows of items, on the CPU; types may be absent.
            hidden: by type, (N,) bool: items whose id is hidden behind their type's unknown item.
            augment: randomness of picture augmentation; None for none.
        """
        found: dict[str, dict[str, Tensor]] = {}
        for modality in self.config.modalities:
            if modality == "id":
                found["id"] = {kind: self._ids(kind, one, hidden) for kind, one in rows.items()}
            elif modality in self._features:
                table = self._features[modality]
                found[modality] = {kind: table[kind][one.to(self.device)] for kind, one in rows.items()}
            else:
                found[modality] = {kind: self._load(kind, one, augment) for kind, one in rows.items()}
        return found

    def _ids(self, kind: str, rows: Tensor, hidden: Mapping[str, Tensor] | None) -> Tensor:
        known = self._id_rows[kind][rows.to(self.device)]
        return known if hidden is None else known.masked_fill(hidden[kind].to(self.device), self.num_known[kind])

    def _load(self, kind: str, rows: Tensor, augment: np.random.Generator | None) -> Tensor:
        assert self.config.image is not None
        ids = self.dataset.items[kind].ids
        keys = [ids[row] for row in rows.tolist()]
        batch = load_pictures(self._pictures, keys, self.config.image.size, augment, self._decoders)
        if fresh := sorted(set(batch.undecodable) - self._undecodable):
            self._undecodable.update(fresh)
            log.warning(
                "%d pictures cannot be decoded so far, %r the latest: they count as an even grey",
                len(self._undecodable),
                fresh[-1],
            )
        return batch.pictures.to(self.device)
