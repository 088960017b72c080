"""Baselines: scorers that learn little or nothing of taste, and the click models of the field. No torch.

`plain` needs no fit beyond counting. Everything else fits a click matrix of users by columns, where a column is an
outfit of the pool or an item (`clicks`); `methods` is the table of all of them, `scorers` turns what they give into
scores of outfits and of the items of an open slot, and `fit` chooses their settings on validation.
"""

from fashion_hash.evaluation.baselines.plain import chance, popularity

__all__ = ["chance", "popularity"]
