"""Training, evaluation of trained models, and export to a bundle. The only rooms that update weights."""

from fashion_hash.core.extras import require_extra

require_extra("train", "fashion_hash.training", "torch", "matplotlib")
