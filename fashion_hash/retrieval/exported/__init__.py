"""The codes of a bundle as tables for databases, with the SQL that scores them as the bundle does."""
