"""From files on disk to tables of rows: outfits, requests, negatives, splits."""
