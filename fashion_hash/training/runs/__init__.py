"""Runs on disk: folders, checkpoints, calibration and scoring."""
