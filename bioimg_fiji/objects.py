"""Objects of a segmentation: label images, outlines and measurements, as Fiji's users work with them.

Lives here: from a model's output (labels, a mask, probabilities) to numbered objects, and from these to regions of
interest and figures. Lives not here: models, commands, files.
"""

from __future__ import annotations

import colorsys
import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bioimg_fiji.errors import ImageError, ParameterError
from bioimg_fiji.image import Channel, Image

Array = npt.NDArray[Any]

FOREGROUND = ("foreground", "interior", "object", "nucle", "cell", "mask", "fg")
BOUNDARY = ("bound", "border", "contour", "membrane", "edge", "outline")
BACKGROUND = ("background", "bg")
DISTANCE = ("distance",)
"""Parts of channels' names that tell what a channel is for."""

MIDDLE = 0.5
"""Distance to the border, as a share of an object's largest, above which a pixel is of its middle: a seed."""

_LARGEST_SHORT = 65535
_LARGEST_FLOAT = 2**24


@dataclass(frozen=True)
class ObjectRule:
    """How objects are found in probabilities.

    Parameters
    ----------
    foreground, boundary
        Name of a model's output channel, or its number from 1; empty: told by the channels' names.
    threshold
        Probability above which a pixel belongs to an object.
    minimum_size
        Objects of fewer pixels are left out.
    """

    foreground: str = ""
    boundary: str = ""
    threshold: float = 0.5
    minimum_size: int = 0


@dataclass(frozen=True)
class Maps:
    """What a model's output tells of objects, with the axes `letters`, without the model's channels.

    Parameters
    ----------
    foreground
        Labels, a mask, or the probability of an object at each pixel.
    boundary
        The probability of a boundary; with `distance` the distance to it instead, 1 in an object's middle.
    """

    foreground: Array
    boundary: Array | None
    letters: str
    distance: bool = False


@dataclass(frozen=True)
class Measurements:
    """Figures of objects: columns, their units ("" for none), a row per object."""

    columns: tuple[str, ...]
    units: tuple[str, ...]
    rows: tuple[tuple[float, ...], ...]


def label(output: Image, names: Sequence[str], axes: str, rule: ObjectRule | None = None) -> Image:
    """Give the objects of a segmentation numbers.

    Labels stay as they are. A mask (one value besides 0) is divided into connected pieces, corners included, and so
    is the foreground above the threshold. Where the model tells boundaries, the pieces of foreground without boundary
    are seeds, and grow over the foreground by a watershed. Where it tells the distance to an object's border, 1 in its
    middle, the foreground of more than half the distance is the seeds: how sure the model is of the foreground, which
    calibration changes, then plays no part but at the threshold.

    Parameters
    ----------
    output
        The model's output; of the channels that the model has, those of the image's first channel come first.
    names
        Names of the model's output channels, empty texts where it names none.
    axes
        "yx" or "zyx": where a model sees planes, an object is one of a plane.
    rule
        How objects are found.

    Returns
    -------
    Image
        uint16 up to 65,535 objects, else float32, which ImageJ has for more; without the model's channels. Objects are
        numbered from 1 in every element of the other axes.

    Raises
    ------
    ParameterError
        When it is not told which channel is the foreground.
    ImageError
        When there are more objects than any of ImageJ's images can number.
    """
    rule = rule or ObjectRule()
    seen = maps(output, names, rule)
    found = np.zeros(seen.foreground.shape, np.uint32)
    for index, order in elements(seen.letters, found.shape, axes):
        boundary = None if seen.boundary is None else _turned(seen.boundary[index], order)
        foreground = _turned(seen.foreground[index], order)
        _turned(found[index], order)[...] = _objects(foreground, boundary, rule, distance=seen.distance)
    largest = int(found.max(initial=0))
    if largest > _LARGEST_FLOAT:
        raise ImageError(
            f"{largest} objects are more than an image of ImageJ can number ({_LARGEST_FLOAT}).",
            fix="Run the model on parts of the image.",
        )
    kind = np.uint16 if largest <= _LARGEST_SHORT else np.float32
    display = (0.0, float(max(largest, 255)))
    plain = dataclasses.replace(output, channels=(), intensity=None)
    result = plain.with_pixels(found.astype(kind), seen.letters)
    colours = tuple(Channel(lut=_colours(), display=display) for _ in range(result.size("c")))
    return dataclasses.replace(result, channels=colours)


def maps(output: Image, names: Sequence[str], rule: ObjectRule) -> Maps:
    """Take a model's output apart into what tells objects; the parameters are those of `label`.

    Raises
    ------
    ParameterError
        When it is not told which channel is the foreground.
    """
    pixels, letters = output.pixels, output.axes
    foreground, boundary = _channels(names, rule)
    if len(names) == 1:
        return Maps(pixels, None, letters)
    place = letters.index("c")
    count = pixels.shape[place] // len(names)
    pixels = pixels.reshape((*pixels.shape[:place], count, len(names), *pixels.shape[place + 1 :]))
    pixels = np.moveaxis(pixels, place + 1, 0)
    if count == 1:
        pixels, letters = pixels.squeeze(place + 1), letters.replace("c", "")
    if boundary is None:
        return Maps(pixels[foreground], None, letters)
    return Maps(pixels[foreground], pixels[boundary], letters, _is_distance(names[boundary]))


def measure(labels: Image, image: Image, axes: str, confidence: Array | None = None) -> Measurements:
    """Measure objects as ImageJ does: in calibrated units, from the origin, pixels having their centre at 0.5.

    Parameters
    ----------
    labels
        Label image of `label`.
    image
        The image whose intensities are measured, in physical values where it has a calibration; they are left out
        where it has not the labels' size.
    axes
        "yx" or "zyx", as for `label`.
    confidence
        At each pixel how sure the model is of the object there, 0 to 1; None where it does not tell.

    Returns
    -------
    Measurements
        A row per object: positions from 1 along the other axes, its label, area or volume, centroid, mean intensity
        (of each channel), confidence.
    """
    loop = [letter for letter in labels.axes if letter not in axes]
    shown = [letter for letter in loop if labels.size(letter) > 1]
    means = _mean_columns(labels, image)
    size_unit, spatial = _units(labels, axes)
    columns = ("Object", *(_POSITIONS[a] for a in shown), "Volume" if "z" in axes else "Area")
    columns += (
        *(letter.upper() for letter in axes[::-1]),
        *means,
        *(("confidence",) if confidence is not None else ()),
    )
    intensity_unit = image.intensity.unit if image.intensity else ""
    units = ("", *("" for _ in shown), size_unit, *spatial[::-1], *(intensity_unit for _ in means))
    units += ("",) * (len(columns) - len(units))
    rows: list[tuple[float, ...]] = []
    for index, order in elements(labels.axes, labels.shape, axes):
        chosen = dict(zip(labels.axes, index, strict=True))
        numbers = _turned(labels.pixels[index], order).astype(np.intp)
        counts = np.bincount(numbers.ravel())
        present = np.flatnonzero(counts[1:]) + 1
        figures: list[Array] = [present]
        figures += [np.full(len(present), chosen[letter] + 1) for letter in shown]
        figures.append(counts[present] * np.prod([labels.scale(letter).step for letter in axes]))
        for place, letter in reversed(list(enumerate(axes))):
            scale = labels.scale(letter)
            where = _sums(numbers, np.arange(numbers.shape[place]).reshape(_along(place, numbers.ndim)))[present]
            figures.append((where / counts[present] + 0.5 - scale.origin) * scale.step)
        for number in range(len(means)):
            figures.append(_sums(numbers, _intensities(image, chosen, number, axes))[present] / counts[present])
        if confidence is not None:
            figures.append(_sums(numbers, _turned(confidence[index], order))[present] / counts[present])
        rows += [tuple(float(value) for value in row) for row in zip(*figures, strict=True)]
    return Measurements(columns, units, tuple(rows))


def outlines(labels: Image, image: Image) -> tuple[bytes, ...]:
    """Give the outline of each object in each plane, as ImageJ's .roi files: exactly the object's pixels.

    An object of one piece without holes is a traced region, another a composite one. They are named by their labels,
    and have the position that they have in `image`, whose planes they are shown on.
    """
    from scipy.ndimage import find_objects

    found: list[bytes] = []
    for index, order in elements(labels.axes, labels.shape, "yx"):
        chosen = dict(zip(labels.axes, index, strict=True))
        plane = _turned(labels.pixels[index], order).astype(np.int64)
        for number, box in enumerate(find_objects(plane), start=1):
            if box is None:
                continue
            found.append(outline(plane[box] == number, (box[0].start, box[1].start), str(number), chosen, image))
    return tuple(found)


def outline(mask: Array, corner: tuple[int, int], name: str, chosen: dict[str, Any], image: Image) -> bytes:
    """Give the outline of a mask, bool (y, x), as ImageJ's .roi file.

    Parameters
    ----------
    mask, corner
        The pixels, and the plane's pixel (y, x) at their corner.
    name
        What the region is called.
    chosen
        Index of the plane by axis letters.
    image
        On whose planes it is shown.
    """
    return _roi(_rings(mask), corner[::-1], name, _position(chosen, image))


_POSITIONS = {"b": "Position", "t": "Frame", "c": "Channel", "z": "Slice"}


def _channels(names: Sequence[str], rule: ObjectRule) -> tuple[int, int | None]:
    """Tell the channels of the foreground and, if there is one, of the boundary."""
    boundary = _channel("boundary", rule.boundary, names) if rule.boundary else _named(names, BOUNDARY)
    if boundary is None:
        boundary = _named(names, DISTANCE)
    if rule.foreground:
        return _channel("foreground", rule.foreground, names), boundary
    if len(names) == 1:
        return 0, None
    found = _named(names, FOREGROUND)
    rest = [n for n in range(len(names)) if n != boundary and n != _named(names, BACKGROUND)]
    if found is None and len(rest) == 1:
        found = rest[0]
    if found is None:
        raise ParameterError(
            f"The model gives {len(names)} channels ({_listed(names)}), and their names do not tell the objects.",
            fix="Say foreground=1 for objects in the first channel, and boundary=2 if the second tells boundaries.",
            field="foreground",
            expected=_listed(names),
            got="",
        )
    return found, boundary


def _channel(field: str, given: str, names: Sequence[str]) -> int:
    if given in names:
        return names.index(given)
    if given.isdigit() and 1 <= int(given) <= len(names):
        return int(given) - 1
    raise ParameterError.of(field, f"a number from 1 to {len(names)} or one of {_listed(names)}", given)


def _is_distance(name: str) -> bool:
    return any(part in name.lower() for part in DISTANCE)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(name or str(number) for number, name in enumerate(names, start=1))


def _named(names: Sequence[str], parts: Sequence[str]) -> int | None:
    found = [n for n, name in enumerate(names) if any(part in name.lower() for part in parts)]
    if parts is FOREGROUND:  # "cell boundary" is a boundary
        found = [n for n in found if not any(part in names[n].lower() for part in BOUNDARY + BACKGROUND)]
    return found[0] if len(found) == 1 else None


def elements(letters: str, shape: Sequence[int], axes: str) -> Iterator[tuple[tuple[Any, ...], list[int]]]:
    """Give the index of every element with `axes`, and the order that brings these into their own."""
    inner = [letter for letter in letters if letter in axes]
    order = [inner.index(letter) for letter in axes]
    loop = [n for letter, n in zip(letters, shape, strict=True) if letter not in axes]
    for place in np.ndindex(*loop):
        rest = iter(place)
        yield tuple(slice(None) if letter in axes else next(rest) for letter in letters), order


def _turned(array: Array, order: list[int]) -> Array:
    return array.transpose(order)


def _objects(foreground: Array, boundary: Array | None, rule: ObjectRule, *, distance: bool = False) -> Array:
    from scipy import ndimage

    everywhere = np.ones((3,) * foreground.ndim)
    if foreground.dtype.kind in "iu" and int(foreground.max(initial=0)) > 1 and not _is_mask(foreground):
        labels = np.where(foreground > 0, foreground, 0).astype(np.int64)
        if int(labels.max()) > _LARGEST_SHORT:
            labels = np.unique(labels, return_inverse=True)[1].reshape(labels.shape) + int(labels.min() > 0)
    else:
        level = rule.threshold if foreground.dtype.kind == "f" else 0
        mask = foreground > level
        if boundary is None:
            labels = ndimage.label(mask, everywhere)[0]
        else:
            from skimage import segmentation

            watershed: Any = segmentation.watershed
            middles = boundary > MIDDLE if distance else foreground - boundary > level
            boundary = 1 - boundary if distance else boundary
            seeds = ndimage.label(mask & middles, everywhere)[0]
            # NB: a piece that is boundary all over has no seed, and is an object nevertheless.
            pieces, count = ndimage.label(mask, everywhere)
            seeded = np.zeros(count + 1, bool)
            seeded[pieces[seeds > 0]] = True
            alone = mask & ~seeded[pieces]
            seeds = np.where(alone, int(seeds.max()) + pieces, seeds)
            labels = np.unique(watershed(boundary, seeds, mask=mask), return_inverse=True)[1].reshape(mask.shape)
            labels = labels + int(mask.all())
    if rule.minimum_size > 1:
        counts = np.bincount(labels.ravel())
        kept = np.flatnonzero(counts >= rule.minimum_size)
        new = np.zeros(len(counts), np.int64)
        new[kept[kept > 0]] = np.arange(1, np.count_nonzero(kept) + 1)
        labels = new[labels]
    return np.asarray(labels)


def _is_mask(array: Array) -> bool:
    values = array[array > 0]
    return bool(values.min() == values.max())


def _colours() -> bytes:
    """Give a lookup table of colours that differ from their neighbours', black for the background."""
    rgb = [(0, 0, 0)]
    for number in range(1, 256):
        parts = colorsys.hsv_to_rgb(number * 0.618034 % 1, (0.9, 0.65, 0.45)[number % 3], (1.0, 0.85)[number % 2])
        rgb.append(tuple(round(255 * part) for part in parts))  # type: ignore[arg-type]
    return bytes(value for channel in zip(*rgb, strict=True) for value in channel)


def _mean_columns(labels: Image, image: Image) -> tuple[str, ...]:
    if any(labels.size(letter) != image.size(letter) for letter in "btzyx"):
        return ()
    own = image.size("c") if "c" not in labels.axes else 1
    return ("Mean",) if own == 1 else tuple(f"Mean C{number}" for number in range(1, own + 1))


def _units(labels: Image, axes: str) -> tuple[str, list[str]]:
    units = [labels.scale(letter).unit or "pixel" for letter in axes]
    power = "²" if len(axes) == 2 else "³"
    same = units[0] if len(set(units)) == 1 else "x".join(units)
    return (f"{same}{power}" if len(set(units)) == 1 else same), units


def _along(place: int, ndim: int) -> tuple[int, ...]:
    return tuple(-1 if n == place else 1 for n in range(ndim))


def _sums(numbers: Array, values: Array) -> Array:
    weights = np.broadcast_to(values, numbers.shape)
    return np.bincount(numbers.ravel(), weights.ravel().astype(np.float64))


def _intensities(image: Image, chosen: dict[str, Any], number: int, axes: str) -> Array:
    """Give the intensities of the element that the labels are of."""
    own = {"c": number} | {letter: place for letter, place in chosen.items() if isinstance(place, int)}
    index = tuple(own.get(letter, slice(None)) for letter in image.axes)
    inner = [letter for letter in image.axes if isinstance(own.get(letter, slice(None)), slice)]
    values = image.pixels[index]
    missing = [letter for letter in axes if letter not in inner]
    values = values.reshape((1,) * len(missing) + values.shape)
    values = values.transpose([(missing + inner).index(letter) for letter in axes])
    return values if image.intensity is None else image.intensity.physical(values)


def _position(chosen: dict[str, Any], image: Image) -> dict[str, int]:
    """Give the place of a region in ImageJ's stack: a hyperstack has several numbers, a stack one, a plane none."""
    axes = [letter for letter in "czt" if image.size(letter) > 1 and not (letter == "c" and image.rgb)]
    places = {letter: int(chosen[letter]) + 1 for letter in axes if letter in chosen}
    if len(axes) == 1:
        return {"position": places[axes[0]]} if places else {}
    return {f"{letter}_position": place for letter, place in places.items()}


def _rings(mask: Array) -> list[Array]:
    """Give the closed lines around the pixels of a mask, as corners (x, y) where they turn."""
    full = np.pad(mask, 1)
    following: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for shift, start, step in (  # the mask lies to the right of every edge
        ((1, 0), (0, 0), (1, 0)),
        ((0, -1), (1, 0), (0, 1)),
        ((-1, 0), (1, 1), (-1, 0)),
        ((0, 1), (0, 1), (0, -1)),
    ):
        for y, x in np.argwhere(full & ~np.roll(full, shift, (0, 1))) - 1:
            corner = (int(x) + start[0], int(y) + start[1])
            following.setdefault(corner, []).append((corner[0] + step[0], corner[1] + step[1]))
    rings = []
    while following:
        first = next(iter(following))
        points = [first]
        # NB: where two pixels touch by a corner, two edges go on; the even-odd rule fills the same either way.
        while (corner := _next(following, points[-1])) != first:
            points.append(corner)
        ring = np.array(points, np.int32)
        steps = np.roll(ring, -1, 0) - ring
        rings.append(ring[(steps != np.roll(steps, 1, 0)).any(1)])
    return rings


def _next(following: dict[tuple[int, int], list[tuple[int, int]]], corner: tuple[int, int]) -> tuple[int, int]:
    found = following[corner].pop()
    if not following[corner]:
        del following[corner]
    return found


def _roi(rings: list[Array], origin: tuple[int, int], name: str, position: dict[str, int]) -> bytes:
    """Encode rings as ImageJ's traced region, or as a composite one where there are several (even-odd filled)."""
    import roifile

    corners = np.concatenate(rings) + origin
    roi = roifile.ImagejRoi()
    roi.name = name
    roi.left, roi.top = (int(value) for value in corners.min(0))
    roi.right, roi.bottom = (int(value) for value in corners.max(0))
    if len(rings) == 1:
        roi.roitype = roifile.ROI_TYPE.TRACED
        roi.n_coordinates = len(corners)
        roi.integer_coordinates = (corners - corners.min(0)).astype(np.int32)
    else:
        roi.roitype = roifile.ROI_TYPE.RECT
        path: list[float] = []
        for ring in rings:
            for number, (x, y) in enumerate(ring + origin):
                path += [1.0 if number else 0.0, float(x), float(y)]  # move to the first corner, lines to the others
            path.append(4.0)  # close
        roi.multi_coordinates = np.array(path, np.float32)
        roi.shape_roi_size = len(path)
    for field, value in position.items():
        setattr(roi, field, value)
    return roi.tobytes()
