# @title Install mezo_lab where it is missing, as in Colab; where it is installed, this cell does nothing
import importlib.util

if not getattr(importlib.util.find_spec("mezo_lab"), "origin", None):  # a folder without code has no origin
    import os
    import subprocess
    import sys
    from importlib.metadata import version
    from pathlib import Path

    _found = [path for folder in (Path.cwd(), *Path.cwd().parents[:2]) for path in folder.glob("mezo_lab-*.whl")]
    _wheel = str(os.environ.get("MEZO_LAB_WHEEL") or max(_found, key=os.path.getmtime, default=""))
    _error = (
        "mezo_lab is not installed: upload the file mezo_lab-….whl that your lecturer hands out to the folder that "
        "Colab shows under Files, or elsewhere put it beside this notebook (or set the variable MEZO_LAB_WHEEL to its "
        "address), and run this cell again."
    )
    if _wheel:
        _wheel = _wheel if "://" in _wheel else Path(_wheel).resolve().as_uri()
        _kept = [f"{name}=={version(name)}" for name in ("numpy", "torch") if importlib.util.find_spec(name)]
        _pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run = subprocess.run([*_pip, f"mezo_lab[verify] @ {_wheel}", *_kept], capture_output=True, text=True)
        _lines = _run.stderr.splitlines() or [f"pip ended with {_run.returncode}."]  # it may be killed without a word
        _lines.sort(key=lambda line: not line.startswith("ERROR"))  # errors first
        _error = f"mezo_lab cannot be installed from {_wheel}. {_lines[0]}" if _run.returncode else ""
    if _error:  # shown without a traceback
        raise type("NotInstalled", (Exception,), {"_render_traceback_": lambda self: [str(self)]})(_error)
    importlib.invalidate_caches()
