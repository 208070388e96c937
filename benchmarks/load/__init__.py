"""What the target `load` is worth: its figures beside those of its peers, on a server that is known."""
