"""Which self-supervised method suits the noise."""

from __future__ import annotations

from collections.abc import Sequence

from bioimg_fiji.image import Image
from bioimg_fiji.train.noise_check.finding import CHANGES, SMOOTH, Recommendation
from bioimg_fiji.train.noise_check.measure import FEWEST_TO_SMOOTH, Measured, chosen, measure


def recommend(images: Sequence[Image]) -> Recommendation:
    """Recommend a self-supervised method for these images.

    ============  =======================================================================================
    method        where
    ============  =======================================================================================
    "n2v"         the noise is independent from pixel to pixel: single images, stacks, movies with flashes
    "temporal"    so it is, and from frame to frame too, in a movie whose changes last for several frames
    "structn2v"   it is correlated along y or along x, but not both
    "n2n"         it is correlated along both, but independent from frame to frame
    "none"        none of these: noise that is correlated every way cannot be told from the signal
    ============  =======================================================================================

    Parameters
    ----------
    images
        Raw images of one kind; the image whose noise is most correlated decides. At most 64 are looked at.

    Returns
    -------
    Method, sentence and figures: "y", "x" (correlation at one pixel), of single images "fine_y" and "fine_x"
    (`image_noise_correlation`), and of movies "t" (at one frame), "change"
    (variance of the difference of frames two apart beside neighbours), "active" and "smooth" (`frames.smoothness`).
    """
    measured = [measure(image, activity=True) for image in chosen(images)]
    if not measured:
        return Recommendation("n2v", "There is no image to look at; n2v asks least of the data.")
    worst = max(measured, key=lambda each: (_ways(each), max(each.space.get("y", 0.0), each.space.get("x", 0.0))))
    return choose(worst)


def choose(measured: Measured) -> Recommendation:
    """Choose by what was measured of one image."""
    figures = {key: measured.space[key] for key in ("y", "x", "fine_y", "fine_x") if key in measured.space}
    figures |= {key: value for key, value in measured.time.items() if value == value}  # without NaN
    along = [axis for axis in ("y", "x") if measured.correlated(axis)]
    if len(along) == 2:
        method, sentence = _correlated_both_ways(measured)
    elif along:
        method = "structn2v"
        sentence = (
            f"The noise is correlated along {along[0]} ({measured.space[along[0]]:.2f} at one pixel). Along the other "
            "axis it is independent: method structn2v, which hides the whole line, suits it."
        )
    else:
        method, sentence = _independent(measured)
    return Recommendation(method, sentence, figures)


def _ways(measured: Measured) -> int:
    return sum(measured.correlated(axis) for axis in ("y", "x"))


def _correlated_both_ways(measured: Measured) -> tuple[str, str]:
    values = f"(y {measured.space['y']:.2f}, x {measured.space['x']:.2f} at one pixel)"
    if not measured.movie:
        return "none", (
            f"The noise seems to be correlated along y and x {values}: the image was interpolated, compressed or "
            "filtered. No method that learns from single images can tell such noise from the signal: train on the "
            "camera's raw data, or with method n2n on repeated exposures, or with care on pairs."
        )
    if measured.correlated_in_time:
        return "none", (
            f"The noise is correlated along y and x {values} and from frame to frame ({measured.time['t']:.2f}): the "
            "movie was averaged, interpolated or denoised before. No self-supervised method can tell such noise from "
            "the signal: train on the raw data, or with care on pairs."
        )
    sentence = (
        f"The noise is correlated along y and x {values}, but not from frame to frame: method n2n, which learns from "
        "neighbouring frames, suits it, whatever the noise is like in space."
    )
    if measured.time.get("change", 1.0) > CHANGES or _flashes(measured):
        sentence += (
            " Frames change from one to the next, and what changes is smoothed over neighbouring frames: do not "
            "measure fast events in the result."
        )
    return "n2n", sentence


def _independent(measured: Measured) -> tuple[str, str]:
    if not measured.movie:
        return "n2v", "Nothing speaks against noise that is independent from pixel to pixel: method n2v suits it."
    if measured.correlated_in_time:
        return "n2v", (
            "The noise is independent from pixel to pixel, but neighbouring frames share it "
            f"({measured.time['t']:.2f}): method n2v, which does not learn from frames, suits it."
        )
    if measured.frames < FEWEST_TO_SMOOTH:
        return "n2v", "The noise is independent from pixel to pixel, and there are few frames: method n2v suits it."
    if _flashes(measured):
        return "n2v", (
            "The noise is independent from pixel to pixel, and there are events of single frames (activity is "
            f"correlated by {measured.time['smooth']:.2f} from frame to frame): method n2v, which keeps their height."
        )
    return "temporal", (
        "The noise is independent from pixel to pixel and from frame to frame, and what changes lasts for several "
        "frames: method temporal uses neighbouring frames and denoises best. Where fast events are to be measured, "
        "use method n2v: it keeps their height, temporal does not."
    )


def _flashes(measured: Measured) -> bool:
    return measured.time.get("smooth", 1.0) < SMOOTH
