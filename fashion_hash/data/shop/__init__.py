"""A shop's own tables: recognised, read, and made into outfits."""
