"""Images that Python gives to a command by their keys."""

from __future__ import annotations

import numpy as np
import pytest

from bioimg_fiji.commands import find, registry
from bioimg_fiji.errors import InputError, ParameterError
from bioimg_fiji.fiji.inputs import further_images
from bioimg_fiji.image import Image, from_array
from support.live_command import SHOW_LIVE


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command is registered for the time of the test."""
    registry.load_commands()
    monkeypatch.setitem(registry._commands, SHOW_LIVE.id, SHOW_LIVE)


def grey(value: int) -> Image:
    return from_array(np.full((3, 4), value, np.uint8))


def test_a_list_takes_the_place_of_the_active_image() -> None:
    images = [grey(4), grey(2)]
    found = further_images("BioImg Show Live", {"images": images, "name": "x"}, None, ours=True)
    assert found == {"images.0": images[0], "images.1": images[1]}
    result = find("show_live").run({"last": 1, **found})
    assert (result.figures["values"], result.figures["single"]) == ("[4.0, 2.0]", "None")


def test_beside_a_first_image_it_takes_no_place() -> None:
    first, other = grey(1), grey(4)
    found = further_images("BioImg Show Live", {"images": (other,)}, first, ours=True)
    assert found == {"images.0": other, "image": first}
    assert further_images("BioImg Show Live", {"images": "all"}, first, ours=True) == {"image": first}
    assert further_images("BioImg Show Live", {"name": "x"}, first, ours=True) == {}


def test_arrays_and_single_images() -> None:
    found = further_images("BioImg Show Live", {"images": np.ones((3, 4))}, grey(9), ours=True)
    assert isinstance(found["images.0"], Image)
    alone = grey(1)
    assert further_images("BioImg Show Live", {"image": alone}, None, ours=True) == {"image": alone}
    assert further_images("BioImg Show Live", {"name": "a", "images": []}, None, ours=True) == {}


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"images": [grey(1), "b.tif"]}, "images must be a list of images, but it is 'Image, str'"),
        ({"image": [grey(1)]}, "image must be one image"),
    ],
)
def test_what_is_no_list_of_images(keys: dict[str, object], text: str) -> None:
    with pytest.raises(ParameterError, match=text) as caught:
        further_images("BioImg Show Live", keys, None, ours=True)
    assert caught.value.fix


def test_commands_of_others_take_titles() -> None:
    with pytest.raises(InputError, match="Gaussian Blur"):
        further_images("Gaussian Blur...", {"images": [grey(1)]}, None, ours=False)
