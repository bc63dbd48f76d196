"""The machine and what is installed on it: what a record names, and the one command that adds what is missing."""
