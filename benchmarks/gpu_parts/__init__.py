"""The parts of `benchmarks/gpu.py`: what is checked on a GPU, what is timed there, and how time is shared out."""
