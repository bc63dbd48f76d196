"""Walks of fine-tuning: their steps from a run log, their displacement, and what the weights at their end can do."""
