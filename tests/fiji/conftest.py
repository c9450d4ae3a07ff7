"""Embedded ImageJ in this process. Java starts once; each test has a session of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bioimg_fiji.fiji import Fiji, jars, open_fiji
from support.endpoints import ENDPOINT


@pytest.fixture
def cached() -> None:
    """The jars of embedded ImageJ are in the cache of this computer."""
    jars.embedded_jars(offline=False)


@pytest.fixture
def fiji() -> Iterator[Fiji]:
    """An open session with no image and no results."""
    with open_fiji(ENDPOINT) as session:
        session.run_macro('run("Clear Results");')
        yield session
