"""The parts of `benchmarks/step_cost.py`: what is stepped on, who steps, and how time, memory and traffic are taken."""
