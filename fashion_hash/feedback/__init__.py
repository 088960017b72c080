"""What users did with answers: kept durably, written as tables that training reads, and reported by model."""
