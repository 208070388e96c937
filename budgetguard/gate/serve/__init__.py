"""Apps on a port of 127.0.0.1, kept up while they are measured."""
