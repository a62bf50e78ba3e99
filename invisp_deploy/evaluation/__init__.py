"""How good it is: metrics with their definitions, and the round trip of a whole file."""
