"""One training by several processes, each with a share of every batch, as torchrun starts them."""
