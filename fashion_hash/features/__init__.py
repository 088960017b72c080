"""Feature tables for networks, made from the content of items (pictures, words, ids)."""

from fashion_hash.core.extras import require_extra

require_extra("train", "fashion_hash.features", "torch")
