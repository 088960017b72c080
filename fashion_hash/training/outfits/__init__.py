"""Training on outfits: the loop, its batches, negatives, teachers and views."""
