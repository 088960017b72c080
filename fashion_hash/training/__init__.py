"""Training, evaluation of trained models, and export to a bundle. The only rooms that update weights."""
