"""Regions of interest: ImageJ's (ROI Manager, overlay, selection) and ImageJ2's (masks, ROITree) <-> roifile.

All go as .roi files, which ImageJ's own encoder and decoder write and read: what such a file holds survives. The same
files are `Image.roi` and `Image.overlay`.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bioimg_fiji.errors import FijiError, InputError, ParameterError
from bioimg_fiji.fiji.java import jclass
from bioimg_fiji.image import Image

if TYPE_CHECKING:
    import roifile

PLACES = ("manager", "overlay", "selection")
"""Where ImageJ has regions: the ROI Manager, an image's overlay, its active selection."""

PROPERTY = "rois"
"""Property of a Dataset with its ROITree: net.imagej.roi.ROIService.ROI_PROPERTY."""

_REGIONS = "io.github.bioimgfiji.convert.Regions"
_MANAGER = "io.github.bioimgfiji.headless.HiddenManager"
_log = logging.getLogger(__name__)


def get(place: str = "", image: Any = None, gateway: Any = None) -> list[roifile.ImagejRoi]:
    """Copy regions out of Fiji.

    Parameters
    ----------
    place
        One of `PLACES`. Left out: of an image that is given the overlay; without one the ROI Manager when it holds
        any, else the active image's overlay.
    image
        ImagePlus, the title of an open image, or an Image; left out, the active image. A Dataset, a ROITree or a mask
        of ImgLib2 gives its own regions, and needs no place. The ROI Manager belongs to no image.
    gateway
        pyimagej's; needed for the regions of ImageJ2.

    Raises
    ------
    ParameterError
        When there is no such place, or the ROI Manager's regions are asked of an image.
    InputError
        When there is no such image, or a mask is none that ImageJ has a region for.
    """
    if place and place not in PLACES:
        raise ParameterError.of("place", f"one of {', '.join(PLACES)}", place)
    if place == "manager" and image is not None:
        fix = "Leave out the image, or ask for its overlay or selection."
        raise ParameterError.of("place", "overlay or selection of an image", place, fix=fix)
    if isinstance(image, Image):
        return [_roi(data) for data in ((image.roi,) if place == "selection" else image.overlay) if data]
    if is_imagej2(image, gateway):
        return decoded(_regions(gateway, image))
    if place == "manager" or (not place and image is None):
        held = _manager_regions()
        if held or place == "manager":
            return decoded(held)
    imp = _image(image, required=bool(place))
    return [] if imp is None else [_roi(_bytes(text)) for text in _of_image(imp, place)]


def put(rois: Any, place: str = "manager", image: Any = None, gateway: Any = None) -> None:
    """Put regions into Fiji, in place of those that are there.

    Parameters
    ----------
    rois
        What `encoded` takes. A selection is one region, or none.
    place, image, gateway
        As for `get`; a Dataset gets a ROITree.

    Raises
    ------
    ParameterError
        When there is no such place, or a selection would be several regions.
    InputError
        When there is no such image, a region is none, or a ROITree or mask is given as the image.
    """
    if place not in PLACES:
        raise ParameterError.of("place", f"one of {', '.join(PLACES)}", place)
    files = encoded(rois)
    if place == "selection" and len(files) > 1:
        raise ParameterError.of("rois", "one region for a selection", len(files), fix="Use the overlay for several.")
    if is_imagej2(image, gateway):
        if not isinstance(image, jclass("net.imagej.Dataset")):
            raise InputError(
                f"{image.getClass().getSimpleName()} is a region or a tree of them, and has no place for others.",
                fix="Give a Dataset, an ImagePlus, or the title of an open image.",
            )
        image.getProperties().put(PROPERTY, to_tree(gateway, files))
    elif place == "manager":
        _fill_manager(regions(files))
    elif place == "overlay":
        imp = _image(image)
        imp.setOverlay(_overlay(files) if files else None)
    elif files:
        _image(image).setRoi(_region(files[0]), False)
    else:
        _image(image).deleteRoi()


def with_overlay(image: Image, rois: Any) -> Image:
    """Give an image with these regions as its overlay."""
    return dataclasses.replace(image, overlay=tuple(encoded(rois)))


def encoded(rois: Any) -> list[bytes]:
    """Give regions as .roi files.

    Parameters
    ----------
    rois
        A region or several: `roifile.ImagejRoi`, the bytes of a .roi file, the path of a .roi or .zip file, or one of
        ImageJ's own.

    Raises
    ------
    InputError
        When something is none of these.
    """
    return list(_encoded(rois))


def decoded(regions: Any) -> list[roifile.ImagejRoi]:
    """Give ImageJ's own regions (ij.gui.Roi) as `roifile` has them."""
    return [_roi(_bytes(jclass(_REGIONS).encode(region))) for region in regions]


def regions(rois: Any) -> list[Any]:
    """Give what `encoded` takes as ImageJ's own regions."""
    return [_region(data) for data in encoded(rois)]


def overlay(rois: Any) -> Any:
    """Give what `encoded` takes as an Overlay of ImageJ."""
    return _overlay(encoded(rois))


def is_python(value: Any) -> bool:
    """Whether it is a region of `roifile`, or a list of nothing else."""
    import roifile

    several = value if isinstance(value, list | tuple) else [value]
    return bool(several) and all(isinstance(each, roifile.ImagejRoi) for each in several)


def is_imagej2(value: Any, gateway: Any) -> bool:
    """Whether an object is one of ImageJ2 that has regions, or is one: Dataset, ROITree, mask of ImgLib2."""
    if gateway is None or value is None or isinstance(value, str):
        return False
    kinds = ("net.imagej.Dataset", "net.imagej.roi.ROITree", "net.imglib2.roi.MaskPredicate")
    return any(isinstance(value, jclass(kind)) for kind in kinds)


def to_tree(gateway: Any, rois: Any) -> Any:
    """Give regions as a ROITree of ImageJ2.

    Raises
    ------
    InputError
        When ImageJ2 has no mask for one.
    """
    tree, rest = tree_and_rest(gateway, rois)
    if rest:
        kind = _region(rest[0]).getTypeAsString()
        raise InputError(f"ImageJ2 has no mask for a region of type {kind}.", fix="Keep it in an overlay.")
    return tree


def tree_and_rest(gateway: Any, rois: Any) -> tuple[Any, list[bytes]]:
    """Give a ROITree of the regions that ImageJ2 has masks for, and those that it has none for as .roi files."""
    masks, rest = jclass("java.util.ArrayList")(), []
    for data in encoded(rois):
        mask = gateway.convert().convert(_region(data), jclass("net.imglib2.roi.MaskPredicate"))
        if mask is None:
            rest.append(data)
        else:
            masks.add(mask)
    tree = jclass("net.imagej.roi.DefaultROITree")()
    tree.addROIs(masks)
    return tree, rest


def ready() -> None:
    """Have a ROI Manager, so that macros and plugins find one where there is no display."""
    import jpype

    try:
        jclass(_MANAGER).open()
    except jpype.JException as error:
        _log.warning("%s", error.getMessage())


def forget() -> None:
    """Empty the ROI Manager, if it is a hidden one."""
    jclass(_MANAGER).clear()


def _encoded(rois: Any) -> Iterator[bytes]:
    import roifile

    if isinstance(rois, roifile.ImagejRoi):
        yield rois.tobytes()
    elif isinstance(rois, bytes):
        yield rois
    elif isinstance(rois, str | os.PathLike):
        yield from _of_file(Path(rois))
    elif isinstance(rois, jclass("ij.gui.Roi")):
        yield _bytes(jclass(_REGIONS).encode(rois))
    elif isinstance(rois, Iterable):
        for each in rois:
            yield from _encoded(each)
    else:
        raise InputError(
            f"{type(rois).__name__} is no region of interest.",
            fix="Give a roifile.ImagejRoi, a .roi or .zip file, or a list of them.",
        )


def _of_file(path: Path) -> list[bytes]:
    import roifile

    try:
        found = roifile.roiread(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} has no regions of interest: {error}.", fix="Give a .roi or a .zip file.") from error
    return [roi.tobytes() for roi in (found if isinstance(found, list) else [found])]


def _roi(data: bytes) -> roifile.ImagejRoi:
    import roifile

    return roifile.ImagejRoi.frombytes(data)


def _region(data: bytes) -> Any:
    """Give one of ImageJ's regions."""
    with _told():
        return jclass(_REGIONS).decode(base64.b64encode(data).decode("ascii"))


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Tell what Java says of a region that it cannot read."""
    import jpype

    try:
        yield
    except jpype.JException as error:
        raise InputError(f"ImageJ cannot read a region: {error}.", fix="Save it anew as a .roi file.") from error


def _bytes(text: Any) -> bytes:
    return base64.b64decode(str(text))


def _manager_regions() -> list[Any]:
    manager = jclass("ij.plugin.frame.RoiManager").getRawInstance()
    return [] if manager is None else list(manager.getRoisAsArray())


def _fill_manager(regions: list[Any]) -> None:
    manager = jclass(_MANAGER).open()
    manager.reset()
    for number, region in enumerate(regions):
        name = region.getName()
        # NB: not addRoi, which leaves out a second equal region, and rounds the width of lines.
        manager.add(region, -1)
        if name is not None:
            manager.rename(number, name)


def _of_image(imp: Any, place: str) -> list[Any]:
    if place == "selection":
        return [] if imp.getRoi() is None else [jclass(_REGIONS).encode(imp.getRoi())]
    return [] if imp.getOverlay() is None else list(jclass(_REGIONS).encode(imp.getOverlay()))


def _overlay(files: list[bytes]) -> Any:
    texts = jclass("java.util.ArrayList")()
    for data in files:
        texts.add(base64.b64encode(data).decode("ascii"))
    with _told():
        return jclass(_REGIONS).overlay(texts)


def _image(image: Any, *, required: bool = True) -> Any:
    """Give the ImagePlus that is meant."""
    manager = jclass("ij.WindowManager")
    if image is None:
        imp = manager.getCurrentImage()
        if imp is None and required:
            raise FijiError("No image is open in Fiji.", fix="Open one, or give the image.")
        return imp
    if isinstance(image, jclass("ij.ImagePlus")):
        return image
    if not isinstance(image, str):
        raise InputError(
            f"{type(image).__name__} is no image of Fiji.", fix="Give an ImagePlus, or the title of an open image."
        )
    found = [imp for imp in map(manager.getImage, manager.getIDList() or ()) if str(imp.getTitle()) == image]
    if len(found) != 1:
        several = f"{len(found)} images are" if found else "No image is"
        raise InputError(f"{several} called {image!r} in Fiji.", fix="Give the ImagePlus that show() has given.")
    return found[0]


def _regions(gateway: Any, value: Any) -> Iterator[Any]:
    """Give ImageJ's regions for those of ImageJ2, from the root to the leaves."""
    if isinstance(value, jclass("net.imagej.Dataset")):
        value = value.getProperties().get(PROPERTY)
    if value is None:
        return
    if isinstance(value, jclass("net.imglib2.roi.MaskPredicate")):
        region = gateway.convert().convert(value, jclass("ij.gui.Roi"))
        if region is None:
            raise InputError(
                f"ImageJ has no region for a mask of {value.getClass().getSimpleName()}.",
                fix="Give a box, ellipsoid, line, polygon, polyline or points, of two dimensions.",
            )
        yield region
        return
    data = value.data()
    if isinstance(data, jclass("net.imglib2.roi.MaskPredicate")):
        yield from _regions(gateway, data)
    for child in value.children():
        yield from _regions(gateway, child)
