"""Evaluation without a truth: what the raw image tells of a result, channel by channel."""

from __future__ import annotations

from collections.abc import Sequence

from bioimg_fiji.evaluate.rows import Evaluation, cell
from bioimg_fiji.evaluate.samples import Given
from bioimg_fiji.image import Image
from bioimg_fiji.train.judge import judge
from bioimg_fiji.train.verdict import worst

_LENGTHS = ("frc_before", "frc_after")
_VALUES = ("noise_sigma",)


def evaluate(given: Given, wanted: Sequence[str]) -> Evaluation:
    """Judge each channel (`train.judge`); figures are those of the worst, and notes tell about the whole image."""
    raw = given.others["raw"]
    found = [judge(channel(raw, c), channel(given.image, c)).figures for c in range(given.image.size("c"))]
    kept = [{name: value for name, value in each.items() if not wanted or name in wanted} for each in found]
    names = tuple(dict.fromkeys(name for each in kept for name in each))
    length, value = given.image.pixel_size.unit, given.image.intensity.unit if given.image.intensity else ""
    units = dict.fromkeys(_LENGTHS, "pixels") | {f"{name}_scaled": length for name in _LENGTHS}
    units |= dict.fromkeys(_VALUES, value)
    several = len(kept) > 1
    rows = tuple(
        ((number,) if several else ()) + tuple(cell(each.get(name)) for name in names)
        for number, each in enumerate(kept, 1)
    )
    return Evaluation(
        columns=(("Channel",) if several else ()) + names,
        units=(("",) if several else ()) + tuple(units.get(name, "") for name in names),
        rows=rows,
        figures={name: cell(value) for name, value in worst(kept).items()},
        figure_units={name: units.get(name, "") for name in names},
        notes=judge(raw, given.image).sentences,
    )


def channel(image: Image, number: int) -> Image:
    """Give one channel of an image."""
    if "c" not in image.axes:
        return image
    place = image.axes.index("c")
    axes = image.axes.replace("c", "")
    pixels = image.pixels.take(number, place)
    return Image(pixels, axes, title=image.title, scales=image.scales, intensity=image.intensity)
