"""Evaluation: what a model answers, how often it is right, and what it does without training."""
