"""Full rankings by trained networks: scores of everything at once, after each epoch and in evaluation."""
