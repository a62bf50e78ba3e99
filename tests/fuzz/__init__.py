"""Files that nobody wrote: what our readers meet, changed at random, ends in a sentence or in a result."""
