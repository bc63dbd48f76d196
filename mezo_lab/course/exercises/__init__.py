"""Checks that the notebooks' exercises call, a module for each notebook: a mistake gets a sentence that teaches."""

from mezo_lab.course.exercises.ask import Wrong

__all__ = ["Wrong"]
