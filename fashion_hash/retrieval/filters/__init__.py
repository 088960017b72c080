"""The filter language `where`: parsing, columns, masks, totals, and why too few were left."""
