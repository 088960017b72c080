"""Configurations: one YAML file describes one experiment, validated before anything runs."""
