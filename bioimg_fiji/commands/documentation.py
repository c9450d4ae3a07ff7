"""What a trained model's package tells people: name, description and its README."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bioimg_fiji.package import About

TITLES = {"n2v": "Noise2Void"}
PAPERS = {"n2v": {"text": "Krull et al. 2019, Noise2Void", "doi": "10.1109/CVPR.2019.00223"}}
UNET = {"text": "Ronneberger et al. 2015, U-Net", "doi": "10.1007/978-3-319-24574-4_28"}


def describe(provenance: Mapping[str, Any], image: str) -> About:
    """Describe a model that was trained on an image of that name.

    Parameters
    ----------
    provenance
        `bioimg_fiji.train.TrainedModel.provenance`.
    image
        Name of the training image.
    """
    from bioimg_fiji.package import About

    method = TITLES.get(provenance["method"], provenance["method"])
    cite = [entry for entry in (PAPERS.get(provenance["method"]), UNET) if entry]
    return About(
        name=f"{method} {image}",
        description=f"Denoises images like {image}; trained on it by {method} with bioimg-fiji.",
        documentation=_readme(provenance, image, method),
        cite=tuple(cite),
        tags=("denoising", "self-supervised", provenance["method"], "unet", "fiji", "bioimg-fiji"),
        provenance=provenance,
    )


def _readme(provenance: Mapping[str, Any], image: str, method: str) -> str:
    data, figures = provenance["data"], provenance["figures"]
    validation = figures.get("validation_loss")
    checked = (
        f"The loss on pixels that were never a training target ended at {validation:.4g} (variance of the data: 1)."
        if validation is not None
        else "No pixels were held out."
    )
    return f"""# {method} model of {image}

Trained by {method} ({provenance["paper"]}) with bioimg-fiji, on {data["samples"]} plane(s) of `{image}`:
no clean data were used. The model takes and gives raw intensities: the affine normalisation
(mean {data["mean"]:.6g}, standard deviation {data["std"]:.6g}) and its inverse are part of the package.

## Use

In Fiji or ImageJ with bioimg-fiji: `run("BioImg Run Model...", "model=[path of this package]");`. Any other software
for bioimage.io models runs it too.

It suits images of the same kind, taken with the same camera, gain and magnification; others need a model of their own.

## Validation

{checked} There is no ground truth: look at the difference between the noisy and the denoised image,
which should have no structure.

## Training

```json
{json.dumps({"parameters": provenance["parameters"], "figures": figures, "data": data}, indent=2)}
```
"""
