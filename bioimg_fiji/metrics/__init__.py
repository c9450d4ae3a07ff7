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
from bioimg_fiji.metrics.confidence import (
    Sparsification,
    coverage,
    expected_calibration_error,
    interval_width,
    sparsification,
)
from bioimg_fiji.metrics.decorrelation import Decorrelation, decorrelation
from bioimg_fiji.metrics.intensity import best_gaussian, intensity_slope, mean_bias, nrmse, psnr, roi_slope, si_psnr
from bioimg_fiji.metrics.matching import Matching, match, together
from bioimg_fiji.metrics.noise import line_correlation, noise_sigma, nyquist_energy, residual_correlation
from bioimg_fiji.metrics.regions import region_bias, region_means, region_slope
from bioimg_fiji.metrics.rings import RingCurve, checkerboard_halves, frame_halves, frc, frc_resolution
from bioimg_fiji.metrics.structure import ms_ssim, ssim, ssim_map
from bioimg_fiji.metrics.traces import amplitude_slope, trace_correlation, traces
from bioimg_fiji.metrics.tracking import TrackingErrors, detection_errors, seg, tracking_errors

__all__ = [
    "BlindTrace",
    "Decorrelation",
    "Matching",
    "NoiseModel",
    "RingCurve",
    "Sparsification",
    "TrackingErrors",
    "amplitude_slope",
    "best_gaussian",
    "blind_bias",
    "blind_noise",
    "blind_roi_slope",
    "blind_trace",
    "checkerboard_halves",
    "coverage",
    "decorrelation",
    "detection_errors",
    "expected_calibration_error",
    "frame_halves",
    "frc",
    "frc_resolution",
    "intensity_slope",
    "interval_width",
    "line_correlation",
    "match",
    "mean_bias",
    "ms_ssim",
    "noise_sigma",
    "nrmse",
    "nyquist_energy",
    "psnr",
    "region_bias",
    "region_means",
    "region_slope",
    "residual_correlation",
    "residual_signal_correlation",
    "roi_slope",
    "seg",
    "si_psnr",
    "sparsification",
    "ssim",
    "ssim_map",
    "together",
    "trace_correlation",
    "traces",
    "tracking_errors",
]
