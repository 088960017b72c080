"""Encoders of pictures: the contract, and `descriptors`, which needs neither weights nor torch."""
