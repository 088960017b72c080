"""How text becomes rows, shared by the formats; every error names file and line."""
