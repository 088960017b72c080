"""Which outfits and items are best, exactly."""
