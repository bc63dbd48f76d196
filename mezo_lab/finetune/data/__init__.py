"""Rows of text: read from the shipped reviews, a file or a hub, and split."""
