"""A look at the noise before training: whether it is of the kind that the method expects, and which method suits it.

Lives here: measurements of correlation in space and time, of traces of processing and of grey levels, and the sentences
about them; numpy and scipy only. Lives not here: the judgement of results (judge.py), networks, the loop.

Blind-spot methods need noise that is independent from pixel to pixel. In a movie the noise shows in differences of
frames; in a single image it can only be guessed, so a single image is warned about and never refused.
"""

from bioimg_fiji.train.noise_check.advice import advice, advised, flashes
from bioimg_fiji.train.noise_check.artefacts import enlarged, jpeg_blocks, repeated_pixels
from bioimg_fiji.train.noise_check.choice import recommend
from bioimg_fiji.train.noise_check.correlation import (
    depth_noise_correlation,
    image_noise_correlation,
    movie_noise_correlation,
    reach,
)
from bioimg_fiji.train.noise_check.finding import (
    CHANGES,
    CLIPPED,
    CORRELATED,
    FARTHEST,
    FINE,
    REACHES,
    SMOOTH,
    SUSPECT,
    Finding,
    Recommendation,
    Severity,
)
from bioimg_fiji.train.noise_check.frames import change, repeated_frames, smoothness, temporal_noise_correlation
from bioimg_fiji.train.noise_check.survey import look

__all__ = [
    "CHANGES",
    "CLIPPED",
    "CORRELATED",
    "FARTHEST",
    "FINE",
    "REACHES",
    "SMOOTH",
    "SUSPECT",
    "Finding",
    "Recommendation",
    "Severity",
    "advice",
    "advised",
    "change",
    "depth_noise_correlation",
    "enlarged",
    "flashes",
    "image_noise_correlation",
    "jpeg_blocks",
    "look",
    "movie_noise_correlation",
    "reach",
    "recommend",
    "repeated_frames",
    "repeated_pixels",
    "smoothness",
    "temporal_noise_correlation",
]
