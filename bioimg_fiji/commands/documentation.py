"""What a trained model's package tells people: name, description and its README."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bioimg_fiji.package import About

TITLES = {
    "n2v": "Noise2Void",
    "n2v2": "N2V2",
    "structn2v": "StructN2V",
    "temporal": "Temporal blind spot",
    "n2n": "Noise2Noise",
    "care": "CARE",
    "segmentation": "Segmentation",
}
PAPERS = {
    "n2v": {"text": "Krull et al. 2019, Noise2Void", "doi": "10.1109/CVPR.2019.00223"},
    "n2v2": {"text": "Hoeck et al. 2022, N2V2", "doi": "10.1007/978-3-031-25069-9_33"},
    "structn2v": {"text": "Broaddus et al. 2020, StructN2V", "doi": "10.1109/ISBI45749.2020.9098336"},
    "temporal": {"text": "Krull et al. 2019, Noise2Void", "doi": "10.1109/CVPR.2019.00223"},
    "n2n": {"text": "Lehtinen et al. 2018, Noise2Noise", "doi": "10.48550/arXiv.1803.04189"},
    "segmentation": {"text": "Naylor et al. 2019, distance maps", "doi": "10.1109/TMI.2018.2865709"},
    "care": {"text": "Weigert et al. 2018, CARE", "doi": "10.1038/s41592-018-0216-7"},
}
KINDS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "care": ("Restores", ("restoration",)),
    "segmentation": ("Finds objects in", ("segmentation", "instance-segmentation")),
}
"""What other methods than denoisers do, and the tags for it."""

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

    method = TITLES.get(provenance["method"], provenance["method"])
    cite = [entry for entry in (PAPERS.get(provenance["method"]), UNET) if entry]
    what, tags = KINDS.get(provenance["method"], ("Denoises", ("denoising", "self-supervised")))
    return About(
        name=f"{method} {image}",
        description=f"{what} images like {image}; trained on it by {method} with bioimg-fiji.",
        documentation=_readme(provenance, image, method, line),
        cite=tuple(cite),
        tags=(
            *tags,
            *(provenance["method"], "unet", "fiji", "bioimg-fiji"),
        ),
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
    if provenance["method"] == "segmentation":
        learnt = "it gives the foreground and the distance to the border of objects, which become labels."
        judge = "Compare the labels with objects that were not used for the training."
    elif provenance["method"] == "care":
        learnt = "what it should give was shown to it, and its result is in the units of those images."
        judge = "Compare the result with a target image that was not used for the training."
    else:
        learnt = "no clean data were used. The model takes and gives raw intensities."
        judge = (
            "There is no ground truth: look at the difference between the noisy and the denoised image,\n"
            "which should have no structure."
        )
    means, stds = (" / ".join(f"{value:.6g}" for value in data[name]) for name in ("mean", "std"))
    sentences = "".join(f"- {sentence}\n" for sentence in provenance.get("sentences", ()))
    again = f"```ijm\n{line}\n```\n" if line else ""
    shown = "".join(f"| {name.replace('_', ' ')} | {value:.4g} |\n" for name, value in figures.items())
    return f"""# {method} model of {image}

Trained by {method} ({provenance["paper"]}) with bioimg-fiji, on {data["samples"]} plane(s) or volume(s) of `{image}`:
{learnt} The affine normalisation
(mean {means}, standard deviation {stds}) and its inverse are part of the package.

## Use

In Fiji or ImageJ with bioimg-fiji: `run("BioImg Run Model...", "model=[path of this package]");`. Any other software
for bioimage.io models runs it too.

It suits images of the same kind, taken with the same camera, gain and magnification; others need a model of their own.

## Validation

{checked} {judge}

{sentences}
| figure | value |
|---|---|
{shown}
## Training

{again}
```json
{json.dumps({"parameters": provenance["parameters"], "data": data, "machine": provenance["machine"]}, indent=2)}
```
"""
