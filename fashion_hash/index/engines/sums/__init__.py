"""The engine for large pools: a scan over sums of codes with compiled kernels."""
