"""What the commands that run models do for `confidence`: the keys' meaning, and bounds in a selection.

Lives not here: how bounds are made (trust.intervals).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bioimg_fiji.commands.keys import ConfidenceKeys
from bioimg_fiji.commands.selection import Part, all_placed
from bioimg_fiji.errors import ParameterError
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job

if TYPE_CHECKING:
    from bioimg_fiji.commands.builtin import RunFile
    from bioimg_fiji.package import ModelPackage
    from bioimg_fiji.predict import FilePrediction, Prediction, PredictOptions
    from bioimg_fiji.trust.intervals import Confidence


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

    return tuple(open_package(Path(path.strip())) for path in (text or "").split(";") if path.strip())


def confident_run(
    given: Image | Mapping[str, Image],
    package: ModelPackage,
    options: PredictOptions,
    job: Job,
    confidence: Confidence | None,
) -> Prediction:
    """Run a model in memory, with bounds where they are asked for."""
    if confidence is None:
        from bioimg_fiji.predict import predict

        return predict(given, package, options, job)
    from bioimg_fiji.trust.intervals import predict_with

    return predict_with(given, confidence, options, job)


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


def placed_with_bounds(
    images: Mapping[str, Image], part: Part, keeps_values: bool, tell: Callable[[str], None]
) -> dict[str, Image]:
    """Put results back into a copy of the image; around a selection, the width of bounds is 0."""
    from bioimg_fiji.trust.intervals import WIDTH

    width = {name: image for name, image in images.items() if name == WIDTH}
    rest = {name: image for name, image in images.items() if name != WIDTH}
    return {**all_placed(rest, part, keeps_values, tell), **all_placed(width, part, False, tell)}
