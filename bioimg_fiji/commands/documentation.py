"""What a trained model's package tells people: name, description and its README."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bioimg_fiji.train.catalogue import CATALOGUE, Kind, kind_of

if TYPE_CHECKING:
    from bioimg_fiji.package import About

KINDS: Mapping[Kind, tuple[str, tuple[str, ...]]] = {
    "denoising": ("Denoises", ("denoising", "self-supervised")),
    "restoration": ("Restores", ("restoration",)),
    "segmentation": ("Finds objects in", ("segmentation", "instance-segmentation")),
}
"""What models of a kind do, and the tags for it."""

LEARNT: Mapping[Kind, tuple[str, str]] = {
    "denoising": (
        "no clean data were used. The model takes and gives raw intensities.",
        "There is no ground truth: the difference between noisy and denoised should have no structure.",
    ),
    "restoration": (
        "what it should give was shown to it, and its result is in the units of those images.",
        "Compare the result with a target image that was not used for the training.",
    ),
    "segmentation": (
        "it gives the foreground and the distance to the border of objects, which become labels.",
        "Compare the labels with objects that were not used for the training.",
    ),
}
"""What models of a kind have learnt from, or give; and how they are to be judged."""

UNET = {"text": "Ronneberger et al. 2015, U-Net", "doi": "10.1007/978-3-319-24574-4_28"}


def describe(provenance: Mapping[str, Any], image: str, line: str = "") -> About:
    """Describe a model that was trained on an image or a folder of that name.

    Parameters
    ----------
    provenance
        `bioimg_fiji.train.TrainedModel.provenance`.
    image
        Name of the training data.
    line
        Macro line that trains it again.
    """
    from bioimg_fiji.package import About

    known = CATALOGUE.get(provenance["method"])
    method = known.title if known else provenance["method"]
    cite = [{"text": known.source, "doi": known.doi}] if known else []
    what, tags = KINDS[kind_of(provenance["method"])]
    return About(
        name=f"{method} {image}",
        description=f"{what} images like {image}; trained on it by {method} with bioimg-fiji.",
        documentation=_readme(provenance, image, method, line),
        cite=(*cite, UNET),
        tags=(*tags, provenance["method"], "unet", "fiji", "bioimg-fiji"),
        provenance=provenance,
    )


def _readme(provenance: Mapping[str, Any], image: str, method: str, line: str) -> str:
    data, figures = provenance["data"], provenance["figures"]
    validation = figures.get("validation_loss")
    checked = (
        f"The loss on pixels that were never a training target ended at {validation:.4g} (variance of the data: 1)."
        if validation is not None
        else "No pixels were held out."
    )
    learnt, judge = LEARNT[kind_of(provenance["method"])]
    sentences = "".join(f"- {sentence}\n" for sentence in provenance.get("sentences", ()))
    again = f"```ijm\n{line}\n```\n" if line else ""
    shown = "".join(f"| {name.replace('_', ' ')} | {value:.4g} |\n" for name, value in figures.items())
    return f"""# {method} model of {image}

Trained by {method} ({provenance["paper"]}) with bioimg-fiji, on {data["samples"]} plane(s) or volume(s) of `{image}`:
{learnt}
{_normalisation(provenance)}{_start(provenance)}

## Use

In Fiji or ImageJ with bioimg-fiji: `run("BioImg Run Model...", "model=[path of this package]");`. Any other software
for bioimage.io models runs it too; the attachments are for bioimg-fiji alone, which asks them how far a result can be
trusted.

It suits images of the same kind, taken with the same camera, gain and magnification; others need a model of their own.

## Validation

{checked} {judge}

{_calibration(provenance)}{sentences}
| figure | value |
|---|---|
{shown}
## Training

{again}
```json
{json.dumps({"parameters": provenance["parameters"], "data": data, "machine": provenance["machine"]}, indent=2)}
```
"""


def _normalisation(provenance: Mapping[str, Any]) -> str:
    """Say what the package does with intensities."""
    if kind_of(provenance["method"]) == "segmentation":
        return (
            "Each image, those to train on and those to run on, is normalised by its own mean and standard deviation, "
            "channel by channel.\n"
        )
    means, stds = (" / ".join(f"{value:.6g}" for value in provenance["data"][name]) for name in ("mean", "std"))
    return (
        f"The affine normalisation (mean {means}, standard deviation {stds}) and its inverse are part of the package.\n"
    )


def _calibration(provenance: Mapping[str, Any]) -> str:
    """Say how probabilities were calibrated, if they were."""
    told = provenance.get("calibration")
    if not told:
        return ""
    return (
        f"The foreground is a calibrated probability ({told['method']}): the temperature {told['temperature']:.3f} is "
        f"part of the last layer. The expected calibration error on {told['pixels']} held-out pixels of "
        f"{told['patches']} patches, each half with the temperature of the other, was {told['ece_before']:.4f} before "
        f"and {told['ece_after']:.4f} after. It holds for images like those of the training.\n\n"
    )


def _start(provenance: Mapping[str, Any]) -> str:
    """Say from which model the training went on, if it did."""
    start = provenance.get("start")
    if not start:
        return ""
    return f'\nThe training went on from the model "{start["name"]}" (SHA-256 `{start["sha256"]}`).\n'
