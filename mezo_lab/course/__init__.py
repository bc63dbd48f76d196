"""The course: what the notebooks share, and the checks of their exercises."""
