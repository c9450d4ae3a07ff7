"""Every pixel type in every order of axes, with all that belongs to an image, to Fiji and back; told as a table."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import roifile

from bioimg_fiji.fiji import Fiji
from bioimg_fiji.fiji.java import jclass
from bioimg_fiji.image import Channel, Image, Scale
from bioimg_fiji.intensity import Intensity
from support.endpoints import EMBEDDED
from support.tables import Counts

TYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64", "bool", "rgb"]
ORDERS = [
    "".join(order)
    for axes in ("yx", "cyx", "zyx", "tyx", "czyx", "tcyx", "tzyx", "tzcyx")
    for order in itertools.permutations(axes)
]
"""All 212 of two to five dimensions."""

SIZES = {"t": 4, "z": 2, "c": 3, "y": 5, "x": 7}
UNITS = {"t": "sec", "z": "µm", "y": "µm", "x": "µm"}
COLOURS = tuple(bytes(np.random.default_rng(n).integers(0, 256, 768, np.uint8)) for n in range(3))
TABLE = Counts("Images to Fiji and back: pixels, axes, scales, units, colours, labels, ROIs (equal of all)")


@pytest.fixture(scope="module", autouse=True)
def table() -> Iterator[None]:
    """Have the table told when all is over."""
    yield
    TABLE.tell()


def image(dtype: str, axes: str) -> Image:
    """An image with everything that one can have."""
    rgb = dtype == "rgb"
    shape = tuple(SIZES[axis] for axis in axes)
    rng = np.random.default_rng(len(axes))
    if dtype == "bool":
        pixels = rng.random(shape) > 0.5
    elif rgb:
        pixels = rng.integers(0, 256, shape, np.uint8)
    elif dtype.startswith("float"):
        pixels = rng.normal(0, 100, shape).astype(dtype)
    else:
        limits = np.iinfo(dtype)
        pixels = rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    channels: tuple[Channel, ...] = ()
    if "c" in axes and not rgb:
        channels = tuple(Channel(f"channel {n}", COLOURS[n], (float(n), 50.0 + n)) for n in range(3))
    planes = math.prod(SIZES[axis] for axis in axes if axis in "tz" or (axis == "c" and not rgb))
    roi = roifile.ImagejRoi.frompoints([[1, 1], [4, 1], [3, 3]], name="cell").tobytes()
    return Image(
        pixels,
        axes,
        title="cells.tif",
        rgb=rgb,
        scales={axis: Scale(0.25 + n, UNITS[axis], 2.0 * n) for n, axis in enumerate("tzyx") if axis in axes},
        channels=channels,
        mode="composite" if channels else "grayscale",
        labels=tuple(f"plane {n}" for n in range(planes)) if planes > 1 else (),
        intensity=Intensity("straight_line", (-100.0, 0.5), "photons") if dtype in ("uint8", "uint16") else None,
        roi=roi,
        overlay=(roi, roi),
        properties={"Info": "Stain: DAPI"},
    )


def same(got: Image, wanted: Image) -> bool:
    """Whether all is equal, to the bit."""
    return got.header() == wanted.header() and bool(np.array_equal(got.pixels, wanted.pixels))


def dataset(fiji: Fiji, given: Image) -> bool:
    return same(fiji.to_python(fiji.to_fiji(given, "Dataset")), given)


def shared(fiji: Fiji, given: Image) -> bool:
    back = fiji.to_python(fiji.to_fiji(given, "Dataset", share=True), share=True)
    return same(back, given) and (given.dtype == bool or np.shares_memory(back.pixels, given.pixels))


def imgplus(fiji: Fiji, given: Image) -> bool:
    """An ImgPlus has name, axes, scales and colours; the rest belongs to a Dataset."""
    back = fiji.to_python(fiji.to_fiji(given, "Dataset").getImgPlus())
    colours = [(c.lut, c.display) for c in given.channels]
    return (
        bool(np.array_equal(back.pixels, given.pixels))
        and (back.dtype, back.axes, back.title) == (given.dtype, given.axes, given.title)
        and dict(back.scales) == dict(given.scales)
        and [(c.lut, c.display) for c in back.channels] == colours
    )


def interval(fiji: Fiji, given: Image) -> bool:
    """A view has pixels alone: here the image upside down, twice."""
    views = jclass("net.imglib2.view.Views")
    flipped = views.invertAxis(views.invertAxis(fiji.to_fiji(given, "Dataset"), 0), 0)
    back = fiji.to_python(flipped, given.axes)
    return back.dtype == given.dtype and bool(np.array_equal(back.pixels, given.pixels))


def imageplus(fiji: Fiji, given: Image) -> bool:
    """ImageJ has uint8, uint16, int16, float32 and RGB, in its own order of axes; other values are kept if it can."""
    small = given
    if given.dtype.kind in "iu" and given.dtype.itemsize > 2:
        # Whole numbers up to 2**24 are exact in ImageJ's 32-bit images; only signed types have negative ones.
        limits = np.iinfo(given.dtype)
        small = given.with_pixels((given.pixels >> (limits.bits - 24)).astype(given.dtype))
    elif given.dtype == np.float64:
        small = given.with_pixels(given.pixels.astype(np.float32).astype(np.float64))
    back = fiji.to_python(fiji.to_fiji(small))
    wanted = small.ordered(back.axes)
    pixels = back.pixels > 0 if given.dtype == bool else back.pixels
    colours = [(c.name, c.lut, c.display) for c in given.channels]
    kept = given.dtype.name in ("uint8", "uint16", "int16", "float32")
    return (
        bool(np.array_equal(pixels, wanted))
        and (not kept or back.dtype == given.dtype)
        and dict(back.scales) == dict(given.scales)
        and (not colours or [(c.name, c.lut, c.display) for c in back.channels] == colours)
        and back.labels == given.labels
        and len(back.overlay) == 2
        and roifile.ImagejRoi.frombytes(back.roi).coordinates().tolist() == [[1, 1], [4, 1], [3, 3]]
    )


@pytest.mark.parametrize("way", [imageplus, *([] if EMBEDDED else [dataset, shared, imgplus, interval])])
@pytest.mark.parametrize("dtype", TYPES)
def test_there_and_back(fiji: Fiji, dtype: str, way: Callable[[Fiji, Image], bool]) -> None:
    orders = [axes for axes in ORDERS if dtype != "rgb" or "c" in axes]
    wrong = [axes for axes in orders if not way(fiji, image(dtype, axes))]
    TABLE.add(dtype, way.__name__, len(orders) - len(wrong), len(orders))
    assert wrong == []
