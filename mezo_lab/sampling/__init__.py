"""Sampling: laws of z, estimators, objectives, brute-force and reduced samplers, and Monte Carlo with honest errors."""
