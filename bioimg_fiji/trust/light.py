"""The traffic light: from figures of how far off an image is to a colour and a sentence for whoever looks at it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from bioimg_fiji.trust.fitness import Figure, Figures
from bioimg_fiji.trust.ranges import FEW

Light = Literal["green", "yellow", "red"]

LIGHTS: Sequence[Light] = ("green", "yellow", "red")

RED = 2.5
"""Times the limit from which the light is red; from the limit on it is yellow."""

_PER_TENFOLD = 0.5
"""By how much the limit grows for the worst of ten times as many planes."""
_TOLD = 1.5
"""Factor of contrast or noise that is told as the likely reason where the structures look unlike."""


@dataclass(frozen=True)
class Fitness:
    """A verdict: the light, a sentence (what is unlike, what to expect, what to do), and figures.

    `plane` is the number, from 1, of the plane that is furthest off, where the image as a whole is not.
    """

    light: Light
    sentence: str
    figures: Figures = field(default_factory=dict)
    plane: int | None = None


def excess(figures: Figures) -> float:
    """Give by how much the worst figure is off, in times its limit; a small distance is none."""
    return max((_size(name, figure) for name, figure in figures.items()), default=0.0)


def judged(whole: Figures, planes: Sequence[Figures] = (), images: int = FEW) -> Fitness:
    """Judge an image.

    Parameters
    ----------
    whole
        Figures of all of it.
    planes
        Of each plane, where there are several; one among many must be further off, as the worst of many always is.
    images
        How many the model was trained on.
    """
    light = light_of(excess(whole))
    allowed = 1 + _PER_TENFOLD * math.log10(max(len(planes), 1))
    worst = max(range(len(planes)), key=lambda n: excess(planes[n]), default=None)
    if len(planes) > 1 and worst is not None:
        off = {name: Figure(each.excess / allowed, each.value) for name, each in planes[worst].items()}
        of_plane = light_of(excess(off))
        if of_plane != "green" and excess(off) > excess(whole):
            reason = _reason(off, f"Plane {worst + 1} of {len(planes)}", images)
            return Fitness(of_plane, f"{reason} {_ADVICE[of_plane]}", dict(whole), worst + 1)
    if light == "green":
        few = f" Only {images} of them {'was' if images == 1 else 'were'} seen, so small differences cannot be told."
        known = "The image is like those that the model was trained on."
        return Fitness(light, known + few * (images < FEW), dict(whole))
    return Fitness(light, f"{_reason(whole, 'The image', images)} {_ADVICE[light]}", dict(whole))


_ADVICE: Mapping[str, str] = {
    "yellow": "Look at the result with care, or go on training the model with such images (start_from).",
    "red": "Do not trust the result before it is checked; train on such images, or go on from the model with them "
    "(start_from).",
}


def light_of(value: float) -> Light:
    """Give the light of what is so many times the limit off."""
    return "red" if value >= RED else "yellow" if value >= 1 else "green"


def _size(name: str, figure: Figure) -> float:
    return figure.excess if name == "distance" else abs(figure.excess)


def _reason(figures: Figures, what: str, images: int) -> str:
    """Say what is most unlike, and what is to be expected of it."""
    few = f" ({images} image{'s' * (images != 1)})" if 0 < images < FEW else ""
    trained = f"the images that the model was trained on{few}"
    off = {name: abs(each.excess) for name, each in figures.items() if name != "distance" and abs(each.excess) >= 1}
    if "noise" in off:
        off.pop("removed", None)  # it follows from the noise
    if off:
        name = max(off, key=lambda each: off[each])
        return _SENTENCES[name](figures[name].value, what, trained)
    contrast = figures.get("contrast", Figure(0.0, 1.0)).value
    if not 1 / _TOLD < contrast < _TOLD:
        return _of_contrast(contrast, what, trained)
    return f"{what} has structures unlike those of {trained}: expect details to be lost or invented."


def _of_contrast(factor: float, what: str, trained: str) -> str:
    if factor < 1:
        return (
            f"{what} is {1 / factor:.2g} times dimmer than {trained}: expect faint structures to be lost or invented."
        )
    return f"{what} is {factor:.2g} times brighter than {trained}: expect textures and intensities to be wrong."


def _of_noise(factor: float, what: str, trained: str) -> str:
    if factor > 1:
        why, then = "another gain, exposure or camera", "noise to be left, or taken for structure"
        return f"{what} has {factor:.2g} times the noise of {trained}, at the same brightness ({why}): expect {then}."
    why, then = "another gain or camera, averaging, smoothing", "details to be smoothed away"
    return (
        f"{what} has {1 / factor:.2g} times less noise than {trained}, at the same brightness ({why}): expect {then}."
    )


def _of_removed(factor: float, what: str, trained: str) -> str:
    than = f"from {what[0].lower()}{what[1:]} than from {trained}, beside the noise"
    if factor > 1:
        return f"The model removed more {than} ({factor:.2g} times the variance): expect structures to be missing."
    return f"The model removed less {than} ({factor:.2g} times the variance): expect noise to be left."


def _of_level(value: float, what: str, trained: str) -> str:
    return (
        f"The dark parts of {what[0].lower()}{what[1:]} read {value:.4g}, unlike those of {trained} (another offset or "
        "background): expect wrong intensities."
    )


_SENTENCES: Mapping[str, Callable[[float, str, str], str]] = {
    "contrast": _of_contrast,
    "noise": _of_noise,
    "removed": _of_removed,
    "level": _of_level,
}
