"""The command that shows where a result does not fit the raw image that it was made from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from bioimg_fiji.commands.keys import axes_key
from bioimg_fiji.commands.parameters import ImageInput, Parameters, key
from bioimg_fiji.commands.registry import MENU, command
from bioimg_fiji.commands.result import Result
from bioimg_fiji.commands.selection import part_of
from bioimg_fiji.errors import ImageError, ParameterError
from bioimg_fiji.image import MICROMETRES, Image, Scale
from bioimg_fiji.jobs import Job

if TYPE_CHECKING:
    from bioimg_fiji.trust.choice import Asked
    from bioimg_fiji.trust.forward import Forward

_SAME_PIXELS = 0.05
"""Largest relative difference of two sizes of pixels that are taken for the same."""


class ErrorMap(Parameters):
    """Parameters of `error_map`."""

    image: ImageInput = key(
        title="Result", help="The image after processing: denoised, restored, deconvolved or enlarged."
    )
    raw: ImageInput | None = key(None, title="Raw image", help="The image that it was made from.")
    method: Literal["auto", "residual", "squirrel", "reblur"] = key(
        "auto",
        title="Method",
        help="residual looks for structure in what was removed; squirrel fits scale and blur of the result to the raw "
        "image first; reblur blurs it by the point-spread function or down-samples it. auto takes reblur where "
        "a blur is given or the result is larger, squirrel where its intensities are on another scale, else residual.",
    )
    psf: ImageInput | None = key(
        None, title="Point-spread function", help="Of the microscope, in the result's pixels: for deconvolved images."
    )
    sigma: float | None = key(
        None, gt=0, le=50, title="Blur", unit="pixels", help="Instead: sigma of a Gaussian, in the result's pixels."
    )
    numerical_aperture: float | None = key(
        None, gt=0, le=2, title="Numerical aperture", help="Instead, with the wavelength: of the objective."
    )
    wavelength: float | None = key(
        None, ge=100, le=5000, title="Wavelength", unit="nm", help="Of the light that the objective collects."
    )
    roi: Literal["selection", "whole"] = key(
        "selection",
        title="Where",
        help="selection: figures and places are those inside the result's selection, where it has one.",
    )
    gain: float | None = key(
        None,
        gt=0,
        title="Gain",
        expert=True,
        help="Grey levels per photon of the raw image. Empty: the noise is measured in the raw image.",
    )
    read_noise: float | None = key(
        None, ge=0, title="Read noise", expert=True, help="Standard deviation without light, grey levels."
    )
    offset: float | None = key(None, title="Offset", expert=True, help="What the camera reads without light.")
    axes: str | None = axes_key()


@command(id="error_map", title="BioImg Error Map...", menu=MENU)
def error_map(parameters: ErrorMap, job: Job) -> Result:
    """Show where a result does not fit its raw image: what was removed or invented, without knowing the truth."""
    from bioimg_fiji.commands.error_shown import Canvas, result
    from bioimg_fiji.files.source import raw_file
    from bioimg_fiji.trust.errormap import error_map as compare
    from bioimg_fiji.trust.pair import enlargement

    image, raw = _images(parameters)
    factor = enlargement(image, raw)
    template = image if factor == 1 else raw
    large = any(raw_file(each) is not None for each in (parameters.image, raw))
    canvas = Canvas(template, job.scratch if large else None)
    asked = _asked(parameters, image, raw, factor, job)
    found = compare(image, raw, asked, canvas.write, lambda done, blocks: job.progress("Comparing", done, blocks))
    return result(found, canvas, template, image)


def _images(parameters: ErrorMap) -> tuple[Image, Image]:
    if parameters.raw is None:
        raise ParameterError(
            "There is no raw image to compare the result with.",
            fix="Give raw=..., the image before processing.",
            field="raw",
            expected="an image",
        )
    axes = parameters.axes
    both = (parameters.image, parameters.raw)
    return (both[0].with_axes(axes), both[1].with_axes(axes)) if axes else both


def _asked(parameters: ErrorMap, image: Image, raw: Image, factor: int, job: Job) -> Asked:
    from bioimg_fiji.metrics import NoiseModel
    from bioimg_fiji.trust.choice import Asked

    forward = _forward(parameters, image, factor)
    if parameters.method == "reblur" and forward is None and factor == 1:
        raise ParameterError.of(
            "method",
            "residual or squirrel where no blur is known",
            "reblur",
            fix="Give psf=..., sigma=..., or numerical_aperture=... with wavelength=...",
        )
    part = part_of(parameters.image, "place", job.note) if parameters.roi == "selection" else None
    mask = None if part is None else part.mask[factor // 2 :: factor, factor // 2 :: factor]
    if mask is not None and not mask.any():
        raise ImageError("The selection has no pixel of the raw image.", fix="Select a larger area, or say roi=whole.")
    camera = {name: getattr(parameters, name) for name in ("gain", "read_noise", "offset")}
    missing = [name for name, value in camera.items() if value is None]
    if len(missing) == len(camera):
        return Asked(parameters.method, forward, mask=mask)
    if missing:
        raise ParameterError(
            f"{missing[0]} is missing: gain, read_noise and offset belong together.",
            fix=f"Add {missing[0]}=..., or give none of them, and the noise is measured.",
            field=missing[0],
        )
    offset, slope = _line(raw)
    gain, read = camera["gain"] * slope, (camera["read_noise"] * slope) ** 2
    noise = NoiseModel(gain, read - gain * (offset + slope * camera["offset"]), math.nan)
    return Asked(parameters.method, forward, noise, read, mask)


def _line(raw: Image) -> tuple[float, float]:
    """Give the physical value of grey level 0, and of one grey level more: images are compared in physical values."""
    intensity = raw.intensity
    if intensity is None:
        return 0.0, 1.0
    if intensity.line is not None:
        return intensity.line
    clipped = " that makes values below 0 to 0" if intensity.zero_clip else ""
    raise ImageError(
        f"{raw.title} (raw) has the intensity calibration {intensity.function}{clipped}: gain, read_noise and offset "
        "are grey levels of the camera, and only a straight line can turn them into its unit.",
        fix="Leave them out, and the noise is measured; or give both images in grey levels (Analyze > Calibrate, "
        "Function: none).",
    )


def _forward(parameters: ErrorMap, image: Image, factor: int) -> Forward | None:
    """Give the blur that the user tells."""
    from bioimg_fiji.trust.forward import Forward, checked_psf, gaussian_of_lens

    aperture, wavelength = parameters.numerical_aperture, parameters.wavelength
    lens = aperture is not None or wavelength is not None
    if sum((parameters.psf is not None, parameters.sigma is not None, lens)) > 1:
        raise ParameterError(
            "The blur is told in more than one way.",
            fix="Give one of psf, sigma, or numerical_aperture with wavelength.",
            field="psf",
        )
    if parameters.psf is not None:
        _check_psf(parameters.psf, image)
        return Forward(psf=checked_psf(parameters.psf.physical().ordered("zyx"), parameters.psf.title), factor=factor)
    if parameters.sigma is not None:
        return Forward(sigma=parameters.sigma, factor=factor)
    if not lens:
        return None
    if aperture is None or wavelength is None:
        name = "numerical_aperture" if aperture is None else "wavelength"
        raise ParameterError(f"{name} is missing.", fix=f"Add {name}=...", field=name)
    pixel = _micrometres(image.scale("x"))
    if pixel is None:
        raise ImageError(
            f"{image.title} does not tell the size of its pixels, so a blur of the lens has no size in pixels.",
            fix="Set it (Image > Properties...), or give the blur in pixels: sigma=...",
        )
    return Forward(sigma=gaussian_of_lens(aperture, wavelength / 1000, pixel), factor=factor)


def _check_psf(psf: Image, image: Image) -> None:
    """Refuse a point-spread function of other pixels, or a stack of it for single planes."""
    if psf.size("z") > 1 and image.size("z") == 1:
        raise ImageError(
            f"{psf.title} (psf) has {psf.size('z')} slices, {image.title} has one.",
            fix="Give its slice in focus (Image > Duplicate...), or say axes=... where slices are called frames.",
            axis="z",
        )
    for axis in "zyx":
        own, other = _micrometres(psf.scale(axis)), _micrometres(image.scale(axis))
        if psf.size(axis) > 1 and own and other and abs(own / other - 1) > _SAME_PIXELS:
            raise ImageError(
                f"{psf.title} (psf) has {own:.4g} µm per pixel along {axis}, {image.title} has {other:.4g} µm.",
                fix="Scale it to the result's pixels (Image > Scale...).",
                axis=axis,
            )


def _micrometres(scale: Scale) -> float | None:
    unit = MICROMETRES.get(scale.unit)
    return abs(scale.step) * unit if unit and scale.step else None
