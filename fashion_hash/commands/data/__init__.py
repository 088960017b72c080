"""Sub-commands about tables and pictures: making, checking and reading them."""
