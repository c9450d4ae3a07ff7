"""What the commands that run models do for `confidence`: the keys' meaning, and bounds in a selection.

Lives not here: how bounds are made (trust.intervals).
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bioimg_fiji.commands.keys import ConfidenceKeys
from bioimg_fiji.commands.parameters import several
from bioimg_fiji.commands.selection import Part, all_placed
from bioimg_fiji.errors import ParameterError
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job

if TYPE_CHECKING:
    from bioimg_fiji.commands.builtin import RunFile
    from bioimg_fiji.commands.fit import Checked
    from bioimg_fiji.package import ModelPackage
    from bioimg_fiji.predict import FilePrediction, Prediction, PredictOptions
    from bioimg_fiji.runtime import Adapter
    from bioimg_fiji.trust.intervals import Confidence
    from bioimg_fiji.trust.spread import Loaded


def asked_of(parameters: ConfidenceKeys, package: ModelPackage) -> Confidence | None:
    """Give the confidence that is asked for; None where it is not.

    Raises
    ------
    PackageError, ParameterError
        When the package cannot give it: before anything is run.
    """
    if parameters.confidence is None:
        for name, plain in (("bounds", "average"), ("spread", "auto"), ("ensemble", None)):
            if getattr(parameters, name) != plain:
                raise ParameterError.of(
                    name, "left out without a confidence", getattr(parameters, name), fix="Add confidence=90."
                )
        return None
    from bioimg_fiji.trust.intervals import confidence_of

    others = ensemble_of(parameters.ensemble)
    return confidence_of(package, parameters.confidence, parameters.bounds, parameters.spread, others)


def ensemble_of(text: str | None) -> tuple[ModelPackage, ...]:
    """Open the models that `ensemble` names."""
    from bioimg_fiji.package import open_package

    return tuple(open_package(Path(each)) for each in several(text))


def confident_run(
    given: Image | Mapping[str, Image],
    check: Checked,
    job: Job,
    loaded: Loaded | None = None,
) -> Prediction:
    """Run a model in memory, with bounds where they are asked for; `loaded` gives the models that the caller has."""
    if check.confidence is None:
        from bioimg_fiji.predict import predict

        return predict(given, check.package, check.options, job, loaded and loaded(check.package))
    from bioimg_fiji.trust.intervals import predict_with

    return predict_with(given, check.confidence, check.options, job, loaded)


@contextlib.contextmanager
def loaded_for(check: Checked, device: str, trust: str) -> Iterator[Loaded]:
    """Load all models that a run takes, for the time of many runs; errors as of `choose`."""
    from bioimg_fiji.runtime import choose

    packages = [check.package]
    if check.confidence is not None:
        packages = [check.confidence.made.package, *check.confidence.made.others]
    models: dict[tuple[str, tuple[str, ...]], Adapter] = {}
    with contextlib.ExitStack() as stack:
        for package in packages:
            if _key(package) not in models:
                model = choose(package, check.options.weights, device, trust=trust)
                stack.callback(model.close)
                models[_key(package)] = model
        yield lambda package: models[_key(package)]


def _key(package: ModelPackage) -> tuple[str, tuple[str, ...]]:
    """Tell a package from others, and from views of it."""
    return package.sha256, package.beside


def confident_file_run(
    parameters: RunFile,
    package: ModelPackage,
    options: PredictOptions,
    job: Job,
    properties: Mapping[str, str],
    confidence: Confidence | None,
) -> FilePrediction:
    """Run a model from file to file, with bounds where they are asked for."""
    path, target = parameters.input, parameters.output
    if confidence is None:
        from bioimg_fiji.predict import predict_file

        return predict_file(path, target, package, options, job, properties)
    from bioimg_fiji.trust.intervals import predict_file_with

    return predict_file_with(path, target, confidence, options, job, properties)


def placed_with_bounds(found: Prediction, part: Part, keeps_values: bool, tell: Callable[[str], None]) -> Prediction:
    """Put results back into a copy of the image; around a selection bounds are NaN, since nothing is known there.

    The figure `interval_width` is then the mean of what is shown: of an oval, not of its rectangle.
    """
    from bioimg_fiji.trust.intervals import BOUNDS, WIDTH

    bounds = {name: image for name, image in found.images.items() if name in BOUNDS}
    rest = {name: image for name, image in found.images.items() if name not in BOUNDS}
    images = {**all_placed(rest, part, keeps_values, tell), **all_placed(bounds, part, False, tell, math.nan)}
    report = dict(found.report)
    if WIDTH in images:
        width = images[WIDTH].pixels
        report["interval_width"] = float(width.mean(dtype=np.float64, where=np.isfinite(width)))
    return dataclasses.replace(found, images=images, report=report)
