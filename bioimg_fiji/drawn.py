"""From regions that a user has drawn to label images: what an image's overlay marks becomes numbered objects.

Lives here: filling of ImageJ's regions. Lives not here: outlines of labels (objects).
"""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bioimg_fiji.errors import FileFormatError, ImageError
from bioimg_fiji.image import Image

Array = npt.NDArray[Any]


def labels_of(image: Image) -> Image:
    """Give the areas of an image's overlay numbers from 1; where two overlap, the later one is on top.

    Rectangles, ovals, polygons, freehand, traced and composite regions count; lines, points and texts do not. A region
    without a position is on every plane.

    Parameters
    ----------
    image
        Image with an overlay.

    Returns
    -------
    Image
        uint16, the image's axes but c.

    Raises
    ------
    ImageError
        When the overlay has no areas.
    """
    import roifile

    letters = "".join(letter for letter in image.axes if letter != "c")
    found = np.zeros([image.size(letter) for letter in letters], np.uint16)
    rows, columns = letters.index("y"), letters.index("x")
    if not rows < columns:
        raise ImageError(f"{image.title} has axes {image.axes}: regions need y before x.", fix="Transpose it.")
    number = 0
    for each in image.overlay:
        roi = roifile.ImagejRoi.frombytes(each)
        mask = _mask(roi, image.size("y"), image.size("x"))
        if mask is None:
            continue
        number += 1
        place = tuple(_index(roi, letter, image) for letter in letters if letter not in "yx")
        planes = found[place]
        planes[..., mask] = number
    if not number:
        raise ImageError(
            f"{image.title} has no areas in its overlay.",
            fix="Draw the objects and add them (Image > Overlay > Add Selection, or From ROI Manager).",
            field="target",
        )
    if number > np.iinfo(np.uint16).max:
        raise ImageError(f"{number} areas are more than a label image has numbers for.", fix="Train on fewer.")
    return Image(found, letters, title=f"{image.name}-drawn", scales=image.scales)


def selected(image: Image) -> Array | None:
    """Give the pixels of an image's selection, bool (y, x); None where there is none, or one without an area.

    Raises
    ------
    ImageError
        When the selection lies outside the image.
    """
    import roifile

    if not image.roi:
        return None
    roi = roifile.ImagejRoi.frombytes(image.roi)
    kinds = roifile.ROI_TYPE
    if roi.roitype not in (kinds.OVAL, kinds.RECT, kinds.POLYGON, kinds.FREEHAND, kinds.TRACED):
        return None
    mask = _mask(roi, image.size("y"), image.size("x"))
    if mask is None:
        raise ImageError(
            f"The selection of {image.title} has no pixel of the image.", fix="Select a region inside, or nothing."
        )
    return mask


def regions_of(path: Path) -> tuple[bytes, ...]:
    """Read the regions of a file that ImageJ's ROI Manager has saved (.roi, or .zip of several).

    Raises
    ------
    FileFormatError
        When it is no such file, or has no region.
    """
    import roifile

    try:
        found = roifile.roiread(path)
    except (OSError, ValueError, struct.error, zipfile.BadZipFile) as error:
        raise FileFormatError(
            f"{path} cannot be read as regions: {error}.",
            fix="Save them by the ROI Manager: More >> Save...",
        ) from error
    rois = found if isinstance(found, list) else [found]
    if not rois:
        raise FileFormatError(f"{path} has no regions.", fix="Save them by the ROI Manager: More >> Save...")
    return tuple(roi.tobytes() for roi in rois)


def _index(roi: Any, letter: str, image: Image) -> Any:
    """Give where along an axis a region lies: everywhere, if it does not say."""
    axes = [each for each in "czt" if image.size(each) > 1 and not (each == "c" and image.rgb)]
    place = int(roi.position) if axes == [letter] else int(getattr(roi, f"{letter}_position", 0))
    if place < 1 or image.size(letter) == 1:
        return slice(None)
    return slice(min(place, image.size(letter)) - 1, min(place, image.size(letter)))


def _mask(roi: Any, height: int, width: int) -> Array | None:
    """Fill a region: a pixel belongs to it when its middle does. None for what has no area."""
    import roifile

    kinds = roifile.ROI_TYPE
    if roi.roitype == kinds.OVAL:
        return _oval(roi, height, width)
    if roi.roitype not in (kinds.RECT, kinds.POLYGON, kinds.FREEHAND, kinds.TRACED):
        return None
    rings = roi.coordinates(multi=True) if roi.shape_roi_size else [roi.coordinates()]
    mask = np.zeros((height, width), bool)
    for ring in rings:
        mask ^= _filled(np.asarray(ring, float), height, width)
    return mask if mask.any() else None


def _filled(ring: Array, height: int, width: int) -> Array:
    """Fill a closed line of corners (x, y), where pixel 0 reaches from 0 to 1 (even-odd rule)."""
    mask = np.zeros((height, width), bool)
    first, last = ring, np.roll(ring, -1, axis=0)
    low, high = np.minimum(first[:, 1], last[:, 1]), np.maximum(first[:, 1], last[:, 1])
    for row in range(max(0, int(low.min())), min(height, int(np.ceil(high.max())))):
        middle = row + 0.5
        crossed = (low <= middle) & (middle < high)
        (x1, y1), (x2, y2) = first[crossed].T, last[crossed].T
        places = np.sort(x1 + (middle - y1) * (x2 - x1) / (y2 - y1))
        for begin, end in zip(places[::2], places[1::2], strict=False):
            start, stop = int(np.ceil(begin - 0.5)), int(np.ceil(end - 0.5))
            mask[row, max(start, 0) : max(stop, 0)] ^= True
    return mask


def _oval(roi: Any, height: int, width: int) -> Array | None:
    rows, columns = np.mgrid[:height, :width] + 0.5
    middle = (roi.top + roi.bottom) / 2, (roi.left + roi.right) / 2
    radii = max((roi.bottom - roi.top) / 2, 1e-9), max((roi.right - roi.left) / 2, 1e-9)
    mask = ((rows - middle[0]) / radii[0]) ** 2 + ((columns - middle[1]) / radii[1]) ** 2 <= 1
    return mask if mask.any() else None
