"""The commands. They parse, call and print; heavy imports stand inside the functions that need them."""
