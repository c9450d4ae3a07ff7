"""Image metrics, in numpy and scipy only.

Lives here: figures that compare an image with the truth, and figures for images without one. Lives not here: reading
images, networks, tables and plots; what the figures mean for a user is said in train/judge.py.
"""

from bioimg_fiji.metrics.blind import (
    NoiseModel,
    blind_bias,
    blind_noise,
    blind_roi_slope,
    residual_signal_correlation,
)
from bioimg_fiji.metrics.blind_traces import BlindTrace, blind_trace
from bioimg_fiji.metrics.intensity import best_gaussian, intensity_slope, mean_bias, psnr, roi_slope
from bioimg_fiji.metrics.matching import Matching, match, together
from bioimg_fiji.metrics.noise import line_correlation, noise_sigma, nyquist_energy, residual_correlation
from bioimg_fiji.metrics.rings import RingCurve, checkerboard_halves, frame_halves, frc, frc_resolution
from bioimg_fiji.metrics.traces import amplitude_slope, trace_correlation, traces

__all__ = [
    "BlindTrace",
    "Matching",
    "NoiseModel",
    "RingCurve",
    "amplitude_slope",
    "best_gaussian",
    "blind_bias",
    "blind_noise",
    "blind_roi_slope",
    "blind_trace",
    "checkerboard_halves",
    "frame_halves",
    "frc",
    "frc_resolution",
    "intensity_slope",
    "line_correlation",
    "match",
    "mean_bias",
    "noise_sigma",
    "nyquist_energy",
    "psnr",
    "residual_correlation",
    "residual_signal_correlation",
    "roi_slope",
    "together",
    "trace_correlation",
    "traces",
]
