"""Which method would suit better than the chosen one, where the look at the noise has not said so already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bioimg_fiji.image import Image
from bioimg_fiji.train.noise_check.choice import recommend
from bioimg_fiji.train.noise_check.finding import SMOOTH, Finding, Severity
from bioimg_fiji.train.noise_check.frames import smoothness
from bioimg_fiji.train.noise_check.measure import FEWEST_TO_SMOOTH, chosen, measure

_AS_GOOD: Mapping[str, tuple[str, ...]] = {
    "n2v2": ("n2v",),
    "n2n": ("structn2v",),  # the noise may be as it likes in space; what speaks against frames is a finding of its own
}
"""Recommendations that other methods than the recommended one fulfil as well."""

_NAMING = (
    "correlated_noise",
    "smooth_background",
    "correlated_in_time",
    "changing",
    "flashes",
    "no_repeats",
    "shifted",
)
"""Findings that name a better method, or what is to be done first."""


def flashes(images: Sequence[Image]) -> list[Finding]:
    """Look for events of single frames, which methods that learn from neighbouring frames make lower.

    Parameters
    ----------
    images
        Raw images; of movies of at least 12 frames the least smooth one counts (`frames.smoothness`).

    Returns
    -------
    A note with the code "flashes", or nothing.
    """
    found = [(measured, image) for image in chosen(images) if (measured := smoothness(image.ordered("tbczyx")))]
    found = [each for each in found if each[0].get("smooth", 1.0) < SMOOTH]
    if not found:
        return []
    figures, image = min(found, key=lambda each: each[0]["smooth"])
    noise = measure(image, ("y", "x"))
    instead = "To measure them, use method n2v, which keeps their height."
    if noise.correlated("y") or noise.correlated("x"):
        instead = "Do not measure them in the result; method n2v would keep their height, and the correlated noise too."
    text = (
        f"There are events of single frames in {image.title} (activity is correlated by {figures['smooth']:.2f} from "
        f"frame to frame, 1 where it lasts): a method that learns from neighbouring frames makes them lower. {instead}"
    )
    return [Finding("flashes", Severity.NOTE, text, {"smooth": figures["smooth"], "active": figures["active"]})]


def advice(images: Sequence[Image], method: str) -> Finding | None:
    """Give the recommendation as a note with the code "advice" where it names another method.

    n2v2 is as good as n2v where that is recommended; n2n on repeats that are no movie (fewer than 12 frames) is better
    than what single images would be recommended, so nothing is said.

    Parameters
    ----------
    images
        Raw images.
    method
        The self-supervised method that was chosen.
    """
    if method == "n2n" and all(image.size("t") < FEWEST_TO_SMOOTH for image in images):
        return None
    better = recommend(images)
    if better.method in (method, *_AS_GOOD.get(method, ())):
        return None
    return Finding("advice", Severity.NOTE, better.sentence, better.figures)


def advised(found: Sequence[Finding], images: Sequence[Image], method: str) -> list[Finding]:
    """Add the advice to what was found, unless that names a better method already."""
    if any(finding.code in _NAMING for finding in found):
        return list(found)
    more = advice(images, method)
    return [*found, more] if more else list(found)
