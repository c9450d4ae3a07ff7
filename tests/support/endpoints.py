"""Which ImageJ the tests of the `Fiji` object open: what BIOIMG_FIJI_ENDPOINT names, else the embedded one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ENDPOINT = os.environ.get("BIOIMG_FIJI_ENDPOINT") or "embedded"
EMBEDDED = ENDPOINT == "embedded"
FOLDER: Path | None = None
"""The folder of a real ImageJ2, if it is one that is named: Maven coordinates have none."""

if not EMBEDDED and Path(ENDPOINT).expanduser().is_dir():
    FOLDER = Path(ENDPOINT).expanduser().resolve()
    ENDPOINT = str(FOLDER)  # tests start processes in other folders

in_this_process = pytest.mark.skipif(
    not EMBEDDED,
    reason="opens embedded ImageJ in the tests' own process, which has the one of BIOIMG_FIJI_ENDPOINT: run it without",
)
needs_folder = pytest.mark.skipif(FOLDER is None, reason="BIOIMG_FIJI_ENDPOINT names no folder of an ImageJ2")
