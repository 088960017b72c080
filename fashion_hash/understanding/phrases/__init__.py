"""Phrases that a catalogue understands: made from its values, or read from the files of a bundle."""
