"""The images that Python gives to a command beside the active one: Java never sees them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bioimg_fiji.commands import find
from bioimg_fiji.commands.parameters import schema
from bioimg_fiji.errors import InputError, ParameterError
from bioimg_fiji.image import Image, from_array
from bioimg_fiji.image.xarrays import is_xarray

if TYPE_CHECKING:
    import xarray as xr


def further_images(title: str, keys: Mapping[str, Any], first: Image | None, *, ours: bool) -> dict[str, Image]:
    """Give the images among the keys of a call.

    Parameters
    ----------
    title
        The command's title.
    keys
        What was given to it: images (or arrays), lists of them, and values.
    first
        The image that is given without a key; None where it is not.
    ours
        Whether it is a command of ours; only those take images.

    Returns
    -------
    dict
        Images by key, those of lists as `key.0`, `key.1`, …; with `first`, where Java would leave it out because of
        them.

    Raises
    ------
    InputError
        When another command is given images.
    ParameterError
        When a list has something else than images, or its key takes one image.
    """
    given = {name: value for name, value in keys.items() if any(map(is_image, _list(value)))}
    if not ours:
        if given:
            raise InputError(f"{title} takes its further images by their titles.", fix="Open them first.")
        return {}
    properties = schema(find(title).parameters)["properties"]
    images: dict[str, Image] = {}
    if first is not None:
        images = {name: first for name, entry in properties.items() if set(entry.get("x-unless", ())) & set(keys)}
    for name, value in given.items():
        images |= _named(name, value, takes_list="x-images" in properties.get(name, {}))
    return images


def is_image(value: Any) -> bool:
    """Whether it is an image of Python: Image, array or DataArray."""
    return isinstance(value, Image | np.ndarray) or is_xarray(value)


def as_image(image: Image | npt.NDArray[Any] | xr.DataArray) -> Image:
    """Give an array, or a DataArray of xarray, as an image."""
    if is_xarray(image):
        return Image.from_xarray(image)
    return image if isinstance(image, Image) else from_array(np.asarray(image))


def _named(name: str, value: Any, *, takes_list: bool) -> dict[str, Image]:
    several = _list(value)
    if not all(map(is_image, several)) or (several is value and not takes_list):
        expected = "a list of images" if takes_list else "one image"
        got = ", ".join(type(part).__name__ for part in several)
        raise ParameterError.of(name, expected, got, fix="Read files with read_image first.")
    return {f"{name}.{n}" if takes_list else name: as_image(part) for n, part in enumerate(several)}


def _list(value: Any) -> list[Any] | tuple[Any, ...]:
    return value if isinstance(value, list | tuple) else [value]
