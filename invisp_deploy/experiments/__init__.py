"""The paper's experiments: every method by one protocol, its tables, foreign JPEGs, rate against quality."""
