"""The peer, CAREamics, in an environment of its own: it pins an older torch than ours."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.training.options import ROOT, DataMissingError

VERSION = "0.3.5"
FOLDER = ROOT / ".cache" / "careamics"
PYTHON = FOLDER / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def interpreter() -> Path:
    """Give the Python of the peer's environment, which is made when it is not there (about 5 GB).

    Raises
    ------
    DataMissingError
        When it cannot be made.
    """
    if _there():
        return PYTHON
    here = ROOT / ".tools" / "bin" / "uv"
    uv = str(here) if here.exists() else shutil.which("uv")
    if uv is None:
        raise DataMissingError("uv, which makes the environment of CAREamics, is not here")
    print(f"speed: installing careamics {VERSION} into {FOLDER}", file=sys.stderr, flush=True)
    lines = (
        [uv, "venv", "-q", "--clear", "--python", sys.executable, str(FOLDER)],
        [uv, "pip", "install", "-q", "--python", str(PYTHON), f"careamics=={VERSION}", "torch<2.14"],
    )
    for line in lines:
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        if done.returncode:
            raise DataMissingError(f"careamics {VERSION} cannot be installed: {done.stderr.strip()[-300:]}")
    return PYTHON


def _there() -> bool:
    if not PYTHON.exists():
        return False
    line = [str(PYTHON), "-c", "import importlib.metadata as m; print(m.version('careamics'))"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    return done.stdout.strip() == VERSION
