"""Changes to items and outfits that exist: updated, hidden, shown, and written in large batches."""
