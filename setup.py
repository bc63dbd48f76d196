"""All is said in pyproject.toml, but for one step: a wheel carries the records and the built course.

With MEZO_LAB_WITHOUT_ANSWERS=1 it carries no solutions, answers or pages for lecturers: a wheel to give to students.
"""

import os
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
RECORDS = [
    "results/*",
    "results/runs/*/*",  # no checkpoints of a run that was stopped
    "docs/claims.md",  # to which the notebooks link
    "docs/errata.md",
    "LICENSE*",
    "notebooks/GLOSSARY.md",
    "notebooks/SYLLABUS.md",
    "notebooks/student/*.ipynb",
    "notebooks/zh/student/*.ipynb",
]
ANSWERS = [
    "notebooks/*.ipynb",
    "notebooks/*.md",
    "notebooks/zh/*.ipynb",
    "notebooks/assessment/*",
    "notebooks/assessment/*/*",
]
EXAM = "mezo_lab/course/exam"  # code that holds solutions
WITH_ANSWERS = os.environ.get("MEZO_LAB_WITHOUT_ANSWERS") != "1"
if WITH_ANSWERS:
    RECORDS += ANSWERS


class WithRecords(build_py):
    """`results/` and `notebooks/` lie beside the package, or in the wheel: `record_path` finds both."""

    def records(self) -> dict[str, str]:
        """Where a record goes → where it is."""
        paths = [path for pattern in RECORDS for path in sorted(HERE.glob(pattern)) if path.is_file()]
        place = Path(self.build_lib) / "mezo_lab/records"
        return {str(place / path.relative_to(HERE)): str(path) for path in paths}

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        if not WITH_ANSWERS:
            shutil.rmtree(Path(self.build_lib) / EXAM)
        shutil.rmtree(Path(self.build_lib) / "mezo_lab/records", ignore_errors=True)  # of an earlier build
        for place, path in self.records().items():
            Path(place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        return super().get_outputs(include_bytecode) + ([] if self.editable_mode else list(self.records()))


setup(cmdclass={"build_py": WithRecords})
