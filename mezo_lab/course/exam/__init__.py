"""The exam: problems with solutions and marking schemes, whose numbers a seed draws and the theory computes."""

from mezo_lab.course.exam.paper import exam_problems, write_exam
from mezo_lab.course.exam.problem import Number, Part, Problem, Slip

__all__ = ["Number", "Part", "Problem", "Slip", "exam_problems", "write_exam"]
