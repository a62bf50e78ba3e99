"""What is installed, what of it really works here, and what to do about the rest. Nothing is ever installed."""
