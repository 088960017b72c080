"""Published catalogues of outfits: sets of items with categories, out of which slots are chosen as for a shop."""
