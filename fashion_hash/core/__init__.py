"""What every other room stands on: packed codes, outfits, ids, files, manifests, seeds. NumPy only."""
