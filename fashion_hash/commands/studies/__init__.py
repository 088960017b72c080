"""Sub-commands of many trainings: studies and tuning."""
