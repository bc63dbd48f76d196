"""The README's blocks about training, from the records of long runs."""
