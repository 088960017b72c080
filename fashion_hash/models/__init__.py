"""The networks, in torch: FHN, the outfit encoder, and the towers of WhisperLite."""
