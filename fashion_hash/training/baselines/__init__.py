"""Baselines of an experiment: those that are trained, and the figures of all of them, measured once and kept."""
