# @title Install mezo_lab where it is missing, as in Colab; where it is installed, this cell does nothing
import importlib.util


def _install_mezo_lab():
    import os
    import subprocess
    import sys
    from importlib.metadata import version
    from pathlib import Path

    class NotInstalled(Exception):
        def _render_traceback_(self):  # IPython shows the sentence alone
            return [str(self)]

    found = [path for folder in (Path.cwd(), *Path.cwd().parents[:2]) for path in folder.glob("mezo_lab-*.whl")]
    wheel = os.environ.get("MEZO_LAB_WHEEL") or max(found, key=os.path.getmtime, default="")
    if not wheel:
        raise NotInstalled(
            "mezo_lab is not installed: upload the file mezo_lab-….whl that your lecturer hands out to the folder that "
            "Colab shows under Files, or elsewhere put it beside this notebook (or set the variable MEZO_LAB_WHEEL to "
            "its address), and run this cell again."
        )
    address = wheel if "://" in str(wheel) else Path(wheel).resolve().as_uri()
    kept = [f"{name}=={version(name)}" for name in ("numpy", "torch") if importlib.util.find_spec(name)]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run = subprocess.run([*pip, f"mezo_lab[verify] @ {address}", *kept], capture_output=True, text=True)
    if run.returncode:
        lines = run.stderr.splitlines()
        errors = [line for line in lines if line.startswith("ERROR")]
        raise NotInstalled(f"mezo_lab cannot be installed from {wheel}. {(errors or lines)[0]}")
    importlib.invalidate_caches()


_spec = importlib.util.find_spec("mezo_lab")
if _spec is None or _spec.origin is None:  # a folder of that name that holds no code is not the package
    _install_mezo_lab()
