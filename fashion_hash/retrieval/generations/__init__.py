"""From one generation of a bundle to the next: what was told, carried over."""
