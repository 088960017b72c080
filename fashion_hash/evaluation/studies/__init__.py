"""Studies: several variants, each trained with several seeds, compared with each other."""
