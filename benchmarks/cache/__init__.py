"""What the cache is worth: its figures beside those of its peers, on traces that are known."""
