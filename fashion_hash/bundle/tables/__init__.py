"""What a first request needs of a catalogue, as mapped files."""
