"""Training, evaluation and export of models. Only this package updates weights."""

from fashion_hash.core.extras import require_extra

require_extra("train", "fashion_hash.training", "torch", "matplotlib")
