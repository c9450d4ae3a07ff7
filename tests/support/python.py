"""Python programs in a process of their own: Java starts once per process, and its end is part of what is tested."""

from __future__ import annotations

import os
import subprocess
import sys

BEGUN = 'File.saveString("begun", "{path}");'
"""What a macro does first, for `press_when_begun`."""

PRESS = """
import os, signal, threading, time
pressed = []
def press_when_begun(path, times=1):
    def press():
        while not os.path.exists(path):
            time.sleep(0.01)
        for _ in range(times):
            pressed.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)
    threading.Thread(target=press, daemon=True).start()
"""
"""Part of a program: press Ctrl-C once a macro, however late, is inside Java; `pressed` has the times."""


def run_python(text: str, timeout: float = 60, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program and wait for its end."""
    return subprocess.run(
        [sys.executable, "-u", "-c", text],  # what it printed is here however it ended
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env=os.environ | environment,
    )


def printed(text: str, timeout: float = 60, **environment: str) -> str:
    """Run a program that has to succeed, and give what it printed."""
    done = run_python(text, timeout, **environment)
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
