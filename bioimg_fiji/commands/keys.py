"""Keys that several commands have: the same word means the same everywhere."""

from __future__ import annotations

from typing import Any, Literal

from bioimg_fiji.commands.parameters import Parameters, key

FitMode = Literal["warn", "strict", "off"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Weights = Literal["auto", "onnx", "pytorch_state_dict", "torchscript"]


def axes_key() -> Any:
    """Declare `axes`."""
    return key(
        None,
        title="Axes",
        help="The image's axes where ImageJ has them wrong: letters of tzcyx, for example tyx for a movie.",
    )


def weights_key() -> Any:
    """Declare `weights`."""
    return key(
        "auto", title="Weights", expert=True, help="Which of the package's weights to use; auto takes the fastest."
    )


def device_key() -> Any:
    """Declare `device`."""
    return key("auto", title="Device", expert=True, help="Where to compute; auto takes a GPU if there is one.")


def tile_key() -> Any:
    """Declare `tile`."""
    return key(
        0,
        ge=0,
        le=65536,
        title="Tile size",
        unit="pixels",
        expert=True,
        help="Side of a tile; 0 chooses by the image and the free memory.",
    )


def trust_key() -> Any:
    """Declare `trust`."""
    return key(
        None,
        title="Trust",
        expert=True,
        help="For a package that brings code: 16 digits of its SHA-256, if you trust it. The refusal names them. Of "
        "several models all of theirs, with ; between.",
    )


def fit_key() -> Any:
    """Declare `fit`."""
    return key(
        "warn",
        title="Fit check",
        expert=True,
        help="warn says in the log where the image is unlike those that the model was trained on; strict stops with an "
        "error then; off does not look.",
    )


Bounds = Literal["average", "certified"]
Spread = Literal["auto", "head", "augmentation", "ensemble"]


def spread_key() -> Any:
    """Declare `spread`."""
    return key(
        "auto",
        title="Spread",
        expert=True,
        help="Where the confidence comes from: head was learnt with the model, augmentation runs it on the turned "
        "image, ensemble runs other models too; auto takes what the model was calibrated for.",
    )


def ensemble_key() -> Any:
    """Declare `ensemble`."""
    return key(
        None,
        title="Ensemble",
        widget="models",
        expert=True,
        help="For spread=ensemble: paths or names of further models, with ; between.",
    )


class ConfidenceKeys(Parameters):
    """Keys of commands that give results with their bounds."""

    confidence: float | None = key(
        None,
        ge=50,
        le=99,
        title="Confidence",
        unit="%",
        help="Gives a lower and an upper bound for each pixel, between which so many percent of the true values lie, "
        "and an image of the width between them. The model must be calibrated (BioImg Calibrate Confidence...); "
        "empty gives none.",
    )
    bounds: Bounds = key(
        "average",
        title="Bounds",
        expert=True,
        help="average holds on average over the images of the calibration; certified is wider and holds for other "
        "images of the kind with a probability of 90 %, but takes many calibration images (22 for 90 %).",
    )
    spread: Spread = spread_key()
    ensemble: str | None = ensemble_key()


class ObjectKeys(Parameters):
    """Keys of commands whose model may segment."""

    labels: bool = key(False, title="Label image", help="Give the objects of a segmentation as a label image.")
    rois: bool = key(False, title="Outlines", help="Give the image with the objects' outlines as its overlay.")
    table: bool = key(False, title="Table", help="Measure the objects: area, centroid and mean in calibrated units.")
    foreground: str | None = key(
        None,
        title="Foreground channel",
        expert=True,
        help="Name, or number from 1, of the model's channel with the objects, where its names do not tell.",
    )
    boundary: str | None = key(
        None,
        title="Boundary channel",
        expert=True,
        help="Name, or number from 1, of the model's channel with their boundaries, which divide touching objects.",
    )
    threshold: float = key(
        0.5, title="Threshold", expert=True, help="Probability above which a pixel belongs to an object."
    )
    minimum_size: int = key(
        0, ge=0, title="Smallest object", unit="pixels", expert=True, help="Objects of fewer pixels are left out."
    )
