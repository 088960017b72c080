"""The training loss on requests."""

from __future__ import annotations

from torch import Tensor

from fashion_hash.config.requests import RequestConfig
from fashion_hash.models.whisper_lite import WhisperLite
from fashion_hash.training.losses import engaged_loss, symmetric_info_nce
from fashion_hash.training.requests.batches import RequestBatch


def request_loss(
    config: RequestConfig, model: WhisperLite, batch: RequestBatch, slope: float, signs: bool = False
) -> Tensor:
    """The weighted sum bce * BCE on engaged items against sampled negatives + contrastive * symmetric InfoNCE.

    It uses relaxed codes with this slope or, with `signs`, binary codes with the gradient of the relaxed codes.
    """
    added = None
    if model.taste_project is not None:
        added = model.item_tastes(batch.seen_features, batch.seen_rows)
    tastes = model.tastes(added, batch.history, batch.present, batch.users, batch.by_items, batch.by_user)
    asked = model.finish(model.requests(batch.texts, batch.by_text, tastes), slope, signs)
    items = model.finish(model.items(batch.features, batch.rows), slope, signs)
    logits = model.logits(asked, items)
    loss = logits.new_zeros(())
    if config.loss.bce:
        loss = loss + config.loss.bce * engaged_loss(logits + model.offset, batch.target, batch.negative)
    if config.loss.contrastive:
        contrastive = symmetric_info_nce(logits, batch.target, batch.log_seen)
        loss = loss + config.loss.contrastive * contrastive
    return loss
