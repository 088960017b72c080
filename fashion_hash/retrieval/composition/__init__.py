"""Whole outfits out of all items, by branch and bound: compose and complete."""
