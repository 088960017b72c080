"""Why an outfit or an item was answered: terms that add up to the score."""
