"""Threads of a computation beside other programs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CODE = "from bioimg_fiji.runtime.threads import share_cores; share_cores(); import torch"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the library that tells what it has taken is GNU's")
@pytest.mark.parametrize(("given", "taken"), [("", "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_that_wait_sleep_unless_the_user_wants_otherwise(given: str, taken: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    environment |= {"OMP_WAIT_POLICY": given} if given else {}
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        env=environment | {"OMP_DISPLAY_ENV": "true"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert f"OMP_WAIT_POLICY = '{taken}'" in done.stderr
