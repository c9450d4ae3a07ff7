"""Which ImageJ the tests of the `Fiji` object open: what BIOIMG_FIJI_ENDPOINT names, else the embedded one."""

from __future__ import annotations

import os

ENDPOINT = os.environ.get("BIOIMG_FIJI_ENDPOINT") or "embedded"
EMBEDDED = ENDPOINT == "embedded"
