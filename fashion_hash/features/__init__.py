"""From the content of items (pictures, words, ids) to feature tables that networks read."""
