"""The look at images before training: what speaks against the method, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bioimg_fiji.image import Image
from bioimg_fiji.train.noise_check.artefacts import processed
from bioimg_fiji.train.noise_check.blocks import planes_of
from bioimg_fiji.train.noise_check.choice import choose
from bioimg_fiji.train.noise_check.correlation import depth_noise_correlation
from bioimg_fiji.train.noise_check.finding import CORRELATED, SUSPECT, Finding, Severity
from bioimg_fiji.train.noise_check.levels import clipping, colour, grey_levels
from bioimg_fiji.train.noise_check.measure import Measured, chosen, measure

_REPEATED = 0.05


def look(images: Sequence[Image], independent_in: Sequence[str] = ("y", "x")) -> list[Finding]:
    """Look for noise that does not suit the method, and for what was done to the images before.

    Codes: "correlated_noise" (movies, unsuitable), "smooth_background" (single images), "correlated_in_depth",
    "correlated_in_time" (unsuitable), "repeated_frames", "jpeg", "enlarged", "repeated_pixels", "colour_picture",
    "saturated", "clipped_dark", "few_grey_levels", "stretched".

    Parameters
    ----------
    images
        Raw images; at most 64 of them are looked at, evenly spread.
    independent_in
        Axes along which the method needs independent noise, of "t", "z", "y" and "x". JPEG, enlargement and colour
        are only looked for where "y" or "x" is among them.

    Returns
    -------
    What was found, the worst image's figures; empty when nothing speaks against the method.
    """
    found: dict[str, Finding] = {}
    for image in chosen(images):
        for one in _findings(image, independent_in):
            if _worse(one, found.get(one.code)):
                found[one.code] = one
    return list(found.values())


def _findings(image: Image, independent_in: Sequence[str]) -> list[Finding]:
    found = []
    if {"t", "y", "x"} & set(independent_in):
        found += _correlation(image, independent_in)
    if "z" in independent_in:
        found += _depth(image)
    if {"y", "x"} & set(independent_in):
        found += [*_processing(image), *colour(image)]
    return [*found, *clipping(image), *grey_levels(image)]


def _correlation(image: Image, independent_in: Sequence[str]) -> list[Finding]:
    measured = measure(image, independent_in)
    found = []
    along = [axis for axis in ("y", "x") if axis in independent_in and measured.correlated(axis)]
    if along:
        axis = max(along, key=lambda each: measured.space[each])
        # What is better depends on all axes and on time, not only on those that this method needs.
        better = choose(measure(image, activity=True)).sentence
        found.append(_correlated(image, axis, measured, better) if measured.movie else _suspect(image, axis, measured))
    if measured.correlated_in_time:
        found.append(_in_time(image, measured.time))
    if measured.time.get("repeated", 0.0) > _REPEATED:
        text = (
            f"{measured.time['repeated']:.0%} of the frames of {image.title} equal the frame before: the movie was "
            "saved at a higher frame rate than it was taken with. Remove the repeated frames: a method that learns "
            "from neighbouring frames would learn to copy the noise."
        )
        found.append(Finding("repeated_frames", Severity.NOTE, text, {"share": measured.time["repeated"]}))
    return found


def _correlated(image: Image, axis: str, measured: Measured, better: str) -> Finding:
    text = (
        f"The noise of {image.title} is correlated between neighbouring pixels: {measured.space[axis]:.2f} at a "
        f"distance of one pixel along {axis}, measured from frame to frame. Noise2Void does not suit such data: it "
        f"predicts a pixel from its neighbours, so it takes correlated noise for signal and keeps it. {better}"
    )
    return Finding("correlated_noise", Severity.UNSUITABLE, text, _first(axis, measured.space))


def _suspect(image: Image, axis: str, measured: Measured) -> Finding:
    text = (
        f"Even the flattest places of {image.title} are smooth from pixel to pixel (correlation "
        f"{measured.space[axis]:.2f} along {axis}): either there is little noise, or it is correlated (interpolated, "
        "compressed or filtered images are), which Noise2Void would keep. Use the camera's raw data if there is any; "
        "for noise along lines method structn2v, for repeated exposures n2n."
    )
    return Finding("smooth_background", Severity.NOTE, text, _first(axis, measured.space))


def _in_time(image: Image, figures: Mapping[str, float]) -> Finding:
    text = (
        f"Neighbouring frames of {image.title} share noise: {figures['t']:.2f} of one pixel's at a distance of one "
        "frame. The frames were averaged, interpolated, denoised or read out interlaced. A method that learns from "
        "neighbouring frames would take that noise for signal and keep it: use the raw frames, or method n2v or "
        "structn2v, which learn from one frame at a time."
    )
    return Finding("correlated_in_time", Severity.UNSUITABLE, text, _first("t", figures))


def _depth(image: Image) -> list[Finding]:
    value = depth_noise_correlation(image)
    movie = image.size("t") > 1
    if not value >= (CORRELATED if movie else SUSPECT):
        return []
    text = (
        f"Neighbouring slices of {image.title} share noise or are smooth (correlation {value:.2f} at a distance of one "
        "slice, where little else is seen): in three dimensions Noise2Void would keep it. Train with dims 2, slice by "
        "slice."
    )
    return [Finding("correlated_in_depth", Severity.NOTE, text, {"z": value})]


def _processing(image: Image) -> list[Finding]:
    write = {"jpeg": _jpeg, "repeated_pixels": _repeated_pixels, "enlarged": _enlarged}
    found = processed(planes_of(image))
    return [Finding(code, Severity.NOTE, write[code](image.title, seen), seen) for code, seen in found.items()]


def _jpeg(title: str, figures: Mapping[str, float]) -> str:
    return (
        f"{title} shows the blocks of 8 x 8 pixels that JPEG compression leaves (differences across their borders are "
        f"{figures['blockiness']:.2f} times those within): it has removed part of the noise and made the rest look "
        "like structure, which a denoiser keeps. Use the original file."
    )


def _repeated_pixels(title: str, figures: Mapping[str, float]) -> str:
    return (
        f"{title} repeats {figures['share']:.0%} of its rows and columns: it was enlarged {figures['factor']:.2g} "
        "times without interpolation, so a hidden pixel can be read off its neighbour. Scale it back first (Image > "
        f"Scale..., x and y {1 / figures['factor']:.2g}, no interpolation)."
    )


def _enlarged(title: str, figures: Mapping[str, float]) -> str:
    return (
        f"{title} was enlarged with interpolation, about {figures['factor']:.2g} times: neighbouring pixels share "
        "noise, which a denoiser keeps. Use the original, or scale it back first (Image > Scale..., x and y "
        f"{1 / figures['factor']:.2g})."
    )


def _first(key: str, figures: Mapping[str, float]) -> dict[str, float]:
    """Put the deciding figure first."""
    return {key: figures[key], **{other: value for other, value in figures.items() if other != key}}


def _worse(one: Finding, other: Finding | None) -> bool:
    """Whether the deciding (first) figure is worse: the higher one, but of noise below a grey level the lower."""
    if other is None:
        return True
    value, best = (next(iter(each.figures.values()), 0.0) for each in (one, other))
    return value < best if one.code == "few_grey_levels" else value > best
