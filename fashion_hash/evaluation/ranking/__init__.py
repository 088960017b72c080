"""Full ranking: where what a user likes stands among all outfits, or all items of an open slot. No torch."""
