"""What a camera's frame goes through before the network and after it, both ways."""
