"""The engine that scans sums of codes with compiled kernels: the fast one for large pools."""
