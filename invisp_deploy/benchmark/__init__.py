"""How fast, how much memory, and against what: measurements whose definitions travel with the figures."""
