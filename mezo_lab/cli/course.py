"""`mezo-lab course OUT`: the notebooks as files to hand out."""

import argparse
from pathlib import Path


def add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("out", type=Path, metavar="OUT", help="a new folder, or with --zip a new file")
    command.add_argument("--student", action="store_true", help="without solutions and pages for lecturers")
    command.add_argument("--zip", action="store_true", help="one file, OUT.zip")
    command.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the questions and of the exam, another for another year"
    )
    forms = command.add_mutually_exclusive_group()
    forms.add_argument("--nbgrader", action="store_true", help="as a course of nbgrader, with solutions and points")
    forms.add_argument("--otter", action="store_true", help="as the notebooks that `otter assign` reads")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from mezo_lab.course.handout import write_course

    chosen = [form for form in ("nbgrader", "otter") if getattr(options, form)]
    form = chosen[0] if chosen else "notebooks"
    written = write_course(options.out, student=options.student, form=form, as_zip=options.zip, seed=options.seed)
    print(f"the course is in {written}")
    return 0
