"""Real processes for the tests: an ImageJ with a window, the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class ImageJ:
    """An ImageJ folder with our jar in plugins/, and how to run a macro in a real ImageJ process with it."""

    ij_jar: Path
    folder: Path
    display: str
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, *arguments: str) -> list[str]:
        """Give the command line of an ImageJ with a window."""
        java = ["java", f"-Dplugins.dir={self.folder}", f"-Duser.home={self.folder}", "-Djava.awt.headless=false"]
        return [*java, "-cp", str(self.ij_jar), "ij.ImageJ", "-port0", *arguments]

    def environ(self) -> dict[str, str]:
        """Give the environment of such a process."""
        return os.environ | {"DISPLAY": self.display, "BIOIMG_FIJI_PYTHON": sys.executable} | self.environment

    def run_in(self, folder: Path, text: str, *, timeout: float = 240) -> str:
        """Run a macro by `-batch` in a folder, as the examples of the docs want it; give what it printed."""
        path = folder / "example.ijm"
        path.write_text(text, encoding="iso-8859-1")
        done = subprocess.run(
            self.command("-batch", str(path)),
            cwd=folder,
            env=self.environ(),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def macro(self, text: str, *, batch: bool = False, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a macro; the process ends with it."""
        path = self.folder / "macro.ijm"
        if not batch:
            text += '\nrun("Quit");\n'
        path.write_text(text, encoding="iso-8859-1")  # as ImageJ reads it
        arguments = self.command("-batch" if batch else "-macro", str(path))
        return subprocess.run(
            arguments, env=self.environ(), capture_output=True, text=True, timeout=timeout, check=False
        )


@contextmanager
def started(*line: object) -> Iterator[subprocess.Popen[str]]:
    """Start a process whose output is read while it runs; it has ended afterwards, whatever fails meanwhile."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(list(map(str, line)), text=True, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def run_cli(*arguments: object, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """Run `bioimg-fiji` in a process of its own."""
    line = [sys.executable, "-m", "bioimg_fiji", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=timeout, check=False)
