"""What every request passes through: ids, limits, errors, the access log."""
