"""Embedded ImageJ in this process. Java starts once; each test has a session of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bioimg_fiji.fiji import Fiji, open_fiji
from support.endpoints import ENDPOINT


@pytest.fixture
def fiji() -> Iterator[Fiji]:
    """An open session with no image and no results."""
    with open_fiji(ENDPOINT) as session:
        session.run_macro('run("Clear Results");')
        yield session
