"""Tuning: Optuna looks for the settings that are best on the validation split."""
