"""From the content of items (pictures, words, ids) to feature tables that networks read."""

from fashion_hash.core.extras import require_extra

require_extra("train", "fashion_hash.features", "torch")
