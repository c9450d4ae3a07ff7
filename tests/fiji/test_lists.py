"""Lists of images that Python gives to a command in Fiji."""

from __future__ import annotations

import numpy as np
import pytest

from bioimg_fiji.commands import registry
from bioimg_fiji.fiji import Fiji, open_fiji
from bioimg_fiji.image import Image, from_array
from support.endpoints import ENDPOINT
from support.live_command import SHOW_LIVE


def grey(value: int) -> Image:
    return from_array(np.full((3, 4), value, np.uint8))


@pytest.fixture
def listing(monkeypatch: pytest.MonkeyPatch) -> Fiji:
    """A session that knows a command with a list of images."""
    registry.load_commands()
    monkeypatch.setitem(registry._commands, SHOW_LIVE.id, SHOW_LIVE)
    return open_fiji(ENDPOINT)


def test_a_list_is_given_in_its_order_and_nothing_is_opened(listing: Fiji) -> None:
    with listing as fiji:
        result = fiji.run("BioImg Show Live", images=[grey(7), grey(1), np.full((2, 2), 5, np.uint8)], last=1)
        assert (result.figures["values"], result.figures["single"]) == ("[7.0, 1.0, 5.0]", "None")
        assert fiji.images() == []


def test_the_active_image_is_not_among_them(listing: Fiji) -> None:
    with listing as fiji:
        fiji.show(grey(9))
        result = fiji.run("BioImg Show Live", images=[grey(7)], last=1)
        assert (result.figures["values"], result.figures["single"]) == ("[7.0]", "None")
        both = fiji.run("BioImg Show Live", grey(3), images=[grey(7)], last=1)
        assert (both.figures["values"], both.figures["single"]) == ("[7.0]", "3.0")
        assert len(fiji.images()) == 1
