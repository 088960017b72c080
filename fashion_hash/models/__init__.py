"""The networks, in torch: FHN, the outfit encoder, and the towers of WhisperLite."""

from fashion_hash.core.extras import require_extra

require_extra("train", "fashion_hash.models", "torch")
