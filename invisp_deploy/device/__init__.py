"""What happens on a device: what is installed, what works, what its engines compute."""
