"""What an error map tells, in sentences for whoever has to decide whether a result can be used."""

from __future__ import annotations

import math
from collections.abc import Iterator

from bioimg_fiji.trust.choice import Channel
from bioimg_fiji.trust.errormap import MOST_PLACES, STRONG, Found

_WIDESPREAD = 0.01
"""Share of pixels beyond `STRONG` from which places are not single ones."""
_UNLIKE_NOISE, _KEPT_NOISE = 1.3, 0.7
"""Typical difference, 1 for white noise."""


def sentences(found: Found, title: str) -> tuple[str, ...]:
    """Say what was found, what it rests on, and what it cannot tell."""
    return (*_places(found, title), *_everywhere(found), *_comparison(found), *_missing(found))


def above(found: Found) -> float:
    """Give the share of pixels beyond `STRONG`; NaN when none was measured."""
    return _mean([row.above for row in found.rows])


def worst(found: Found) -> float:
    """Give the worst significance of all planes; NaN when none was measured."""
    return max((row.worst for row in found.rows if math.isfinite(row.worst)), default=math.nan)


def mean_rse(found: Found) -> float:
    """Give the mean over planes of the resolution-scaled error."""
    return _mean([row.rse for row in found.rows])


def mean_rsp(found: Found) -> float:
    """Give the mean over planes of the resolution-scaled Pearson correlation."""
    return _mean([row.rsp for row in found.rows])


def _places(found: Found, title: str) -> Iterator[str]:
    if math.isnan(worst(found)):
        yield f"Nothing of {title} could be measured: no pixel is finite in both images."
    elif not found.places:
        yield (
            f"No place of {title} differs from the raw image by more than its noise: the worst by {worst(found):.1f} "
            f"standard deviations, and noise alone reaches {found.chance:.1f} in one of twenty such images."
        )
    else:
        first, count = found.places[0], len(found.places)
        many = f"{count} places or more" if count == MOST_PLACES else f"{count} place{'s' * (count > 1)}"
        kind = "the raw image has more light there" if first.significance > 0 else "the result has more light there"
        yield (
            f"{many} of {title} differ{'s' * (count == 1)} from the raw image by more than its noise (beyond "
            f"{found.chance:.1f} standard deviations). At the worst one ({abs(first.significance):.1f}, x {first.x}, "
            f"y {first.y}) {kind}. Look at them in both images: they are outlined in the map and listed in its table."
        )


def _everywhere(found: Found) -> Iterator[str]:
    if above(found) > _WIDESPREAD and len(found.places) == MOST_PLACES:
        yield (
            f"{100 * above(found):.2g} % of the pixels are beyond {STRONG:g} standard deviations: that is not one "
            "artefact. Structure was smoothed away or intensities were changed throughout."
        )
    if found.typical > _UNLIKE_NOISE:
        yield (
            f"Differences are {found.typical:.1f} times those of white noise nearly everywhere: the noise is alike in "
            "neighbouring pixels (after a filter, interpolation or JPEG), stronger than was estimated, or the result "
            "differs everywhere. Compare places with each other, not with the standard deviations."
        )
    elif found.typical < _KEPT_NOISE:
        yield (
            f"Differences are {found.typical:.1f} times those of white noise: the result has kept a part of the noise. "
            "A place of the same significance means more than where all noise was removed."
        )


def _comparison(found: Found) -> Iterator[str]:
    for number, channel in enumerate(found.channels, 1):
        where = f"Channel {number}: " if len(found.channels) > 1 else ""
        if channel.scaled.scale <= 0:
            yield (
                f"{where}The result does not follow the raw image: it fits best when multiplied by "
                f"{channel.scaled.scale:.3g}. Look whether it is inverted, or of another image."
            )
        if found.method == "squirrel":
            yield f"{where}{_squirrel(channel)}"
        elif found.method == "reblur":
            blur = "down-sampled" if _only_reduced(channel) else "blurred as told"
            yield (
                f"{where}The result was {blur}, multiplied by {channel.scaled.scale:.3g} and shifted by "
                f"{channel.scaled.offset:.3g} before it was compared. Detail that this hides leaves no trace in the "
                "raw image: the map can neither confirm nor refute it."
            )
    correlation = mean_rsp(found)
    if math.isfinite(correlation):
        yield (
            f"Resolution-scaled correlation {correlation:.3f}, error {mean_rse(found):.3g}: compare them only between "
            "results of the same raw image, as its noise limits both."
        )


def _squirrel(channel: Channel) -> str:
    blur = f"blurred by {channel.scaled.sigma:.2g} pixels (fitted)" if channel.scaled.sigma > 0 else "not blurred"
    return (
        f"The result was {blur}, multiplied by {channel.scaled.scale:.3g} and shifted by {channel.scaled.offset:.3g} "
        "to come nearest to the raw image: an error of the scale alone is not seen."
    )


def _only_reduced(channel: Channel) -> bool:
    return channel.scaled.psf is None and channel.scaled.sigma == 0


def _missing(found: Found) -> Iterator[str]:
    missing = sum(row.missing for row in found.rows)
    if missing:
        yield f"{missing} pixels have no value (NaN) in the map, as one of the images has none there or beside."


def _mean(values: list[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return math.fsum(finite) / len(finite) if finite else math.nan
