"""Directions in the span of a layer's inputs, on one layer and on a language model: for benchmarks/aligned.py."""
