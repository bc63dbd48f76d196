"""The checks that the notebooks' exercises call, one module per notebook: each mistake is answered by a sentence."""

from mezo_lab.course.exercises.answers import WrongAnswer

__all__ = ["WrongAnswer"]
