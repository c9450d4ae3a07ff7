"""The command that calibrates a model's confidence."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bioimg_fiji.commands.confident import ensemble_of
from bioimg_fiji.commands.gathering import Gathered, Wanted, gather
from bioimg_fiji.commands.keys import (
    Device,
    Spread,
    Weights,
    axes_key,
    device_key,
    ensemble_key,
    spread_key,
    tile_key,
    trust_key,
    weights_key,
)
from bioimg_fiji.commands.parameters import ImageInput, ImageList, Parameters, key
from bioimg_fiji.commands.registry import MENU, command
from bioimg_fiji.commands.result import Cell, Result, Table
from bioimg_fiji.commands.target import package_target
from bioimg_fiji.errors import ImageError, ParameterError
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job, PartJob

if TYPE_CHECKING:
    from bioimg_fiji.package import ModelPackage
    from bioimg_fiji.predict import PredictOptions
    from bioimg_fiji.trust.conformal import Calibration
    from bioimg_fiji.trust.spread import Spreading

TABLE = "calibration"
"""Name of the table."""

LEVEL = 0.9
"""Whose figures are told; the calibration is for all levels."""


class Calibrate(Parameters):
    """Parameters of `calibrate`."""

    image: ImageInput | None = key(
        None, title="Raw image", help="An image that the model has not learnt from.", unless=("images", "source")
    )
    target: ImageInput | None = key(
        None,
        title="Truth",
        aliases=("truth",),
        help="What the result should be: the good image of the same pixels. Without one, a denoiser that was trained "
        "here on noisy images alone (n2v, n2v2) is calibrated against hidden noisy pixels, where the noise allows it.",
    )
    model: Path = key(
        title="Model", widget="model", help="A bioimage.io model package: a .zip, its folder or its rdf.yaml."
    )
    output: Path = key(
        title="Save calibrated model as", widget="save", suffix=".zip", help="The copy that has the calibration."
    )
    images: ImageList = key((), title="Open images", expert=True, help="Several open raw images; each counts as one.")
    targets: ImageList = key(
        (), title="Open truths", expert=True, help="What the results should be, in the same order."
    )
    source: Path | None = key(
        None,
        title="Folder of raw images",
        widget="path",
        help="Instead of open images: a folder, an image file or a text file with a path on each line. Each file "
        "counts as one image; the planes of one stack do not err independently.",
    )
    target_source: Path | None = key(
        None,
        title="Folder of truths",
        widget="path",
        aliases=("truth_source",),
        help="With a folder of images: the folder with the truth of the same name for each.",
    )
    pattern: str = key(
        "*.tif *.tiff",
        title="Files",
        expert=True,
        help="Names of the files in a folder, * for anything; several with spaces between.",
    )
    spread: Spread = spread_key()
    ensemble: str | None = ensemble_key()
    axes: str | None = axes_key()
    weights: Weights = weights_key()
    device: Device = device_key()
    tile: int = tile_key()
    trust: str | None = trust_key()


@command(id="calibrate", title="BioImg Calibrate Confidence...", menu=MENU, work="batch")
def calibrate(parameters: Calibrate, job: Job) -> Result:
    """Calibrate a model's confidence on images with a known truth, and save a copy of it that gives bounds."""
    from bioimg_fiji.package import open_package
    from bioimg_fiji.predict import PredictOptions
    from bioimg_fiji.trust.attach import with_attachments
    from bioimg_fiji.trust.conformal import FILE, dumps
    from bioimg_fiji.trust.spread import spreading

    target = package_target(parameters.output, "output")
    package = open_package(parameters.model)
    if len(package.inputs) > 1:
        raise ParameterError.of("model", "a model of one image", f"{package.name} of {len(package.inputs)}")
    _check_restores(package)
    made = spreading(package, parameters.spread, ensemble_of(parameters.ensemble))
    options = PredictOptions(
        weights=parameters.weights,
        device=parameters.device,
        tile=parameters.tile,
        axes=parameters.axes,
        trust=parameters.trust or "",
    )
    wanted = Wanted(
        parameters.image,
        parameters.images,
        parameters.source,
        parameters.pattern,
        parameters.axes,
        parameters.target,
        parameters.targets,
        parameters.target_source,
    )
    with contextlib.ExitStack() as stack:
        found = gather(wanted, stack)
        calibration = _Calibrating(package, made, options, job).run(found)
    with_attachments(package, {FILE: dumps(calibration)}, {"confidence": _summary(calibration)}, target)
    return _result(calibration, target)


class _Calibrating:
    """A calibration from its images to its quantiles."""

    def __init__(self, package: ModelPackage, made: Spreading, options: PredictOptions, job: Job) -> None:
        self._package, self._made, self._options, self._job = package, made, options, job
        self._members = tuple(other.sha256 for other in made.others)

    def run(self, found: Gathered) -> Calibration:
        """Calibrate with the truth where there is one, else with hidden pixels."""
        if not found.targets:
            self._check_blind()
            return self._without_truth(found)
        if len(found.targets) != len(found.images):
            raise ParameterError.of(
                "targets",
                f"as many as the images, {len(found.images)}",
                len(found.targets),
                fix="Name a truth for each.",
            )
        return self._with_truth(found)

    def _with_truth(self, found: Gathered) -> Calibration:
        from bioimg_fiji.train.stored import whole
        from bioimg_fiji.trust.conformal import calibration_of, sample_of
        from bioimg_fiji.trust.spread import predict_spread

        samples = []
        for (image, digest), target in zip(self._images(found), found.targets, strict=True):
            truth = _stored(whole(target), image, self._package)
            prediction, spread = predict_spread(_plain(image), self._made, self._options, self._job)
            output = prediction.images["output"]
            real = _fitting(truth, output)
            samples.append(sample_of(image.title, output.pixels, spread, real, digest))
        return calibration_of(self._made.kind, samples, self._members)

    def _without_truth(self, found: Gathered) -> Calibration:
        from bioimg_fiji.train.noise_check.blocks import FEWEST_FRAMES
        from bioimg_fiji.trust.spread import predict_spread
        from bioimg_fiji.trust.unseen import blind_sample, calibration_without_truth

        samples = []
        for image, digest in self._images(found):
            if image.size("c") > 1:
                raise ParameterError.of(
                    "image", "of one channel, where there is no truth", f"{image.size('c')}", fix="Split the channels."
                )
            plain = _plain(image)
            letters = "".join(letter for letter in "tbczyx" if letter in image.axes)
            order = [letters.index(letter) for letter in image.axes]

            def run(
                noisy: np.ndarray, plain: Image = plain, letters: str = letters, order: list[int] = order
            ) -> tuple[np.ndarray, np.ndarray]:
                asked = plain.with_pixels(np.ascontiguousarray(noisy.transpose(order)))
                prediction, spread = predict_spread(asked, self._made, self._options, PartJob(self._job))
                output = prediction.images["output"]
                return output.ordered(letters), output.with_pixels(spread).ordered(letters)

            movie = image.size("t") >= FEWEST_FRAMES
            noisy = image.ordered(letters)
            samples.append(blind_sample(image.title, noisy, run, len(found.images), movie, digest))
        return calibration_without_truth(self._made.kind, samples, self._members)

    def _images(self, found: Gathered) -> Iterator[tuple[Image, str]]:
        """Give each image and its hash; refuse those that the model was trained on, and the same one twice."""
        from bioimg_fiji.train.stored import about, whole
        from bioimg_fiji.trust.conformal import pixels_sha256

        seen: dict[str, str] = {}
        learnt = trained_on(self._package)
        for number, each in enumerate(found.images):
            self._job.progress(f"Image {about(each).title}", number, len(found.images))
            image = whole(each)
            digest = pixels_sha256(image.pixels)
            if digest in learnt:
                raise ImageError(
                    f"{self._package.name} was trained on {image.title}: it errs less there than on other images.",
                    fix="Calibrate with images that it has not seen.",
                )
            if digest in seen:
                raise ImageError(
                    f"{image.title} has the same pixels as {seen[digest]}: it would be counted twice.",
                    fix="Give each image once.",
                )
            seen[digest] = image.title
            yield image, digest

    def _check_blind(self) -> None:
        from bioimg_fiji.trust.spread import method_of
        from bioimg_fiji.trust.unseen import METHODS

        method = method_of(self._package)
        if method not in METHODS:
            what = f"trained with {method}" if method else "of others"
            raise ParameterError(
                f"There is no truth, and {self._package.name} is {what}: only denoisers that were trained here with "
                f"{' or '.join(METHODS)} can be calibrated against hidden noisy pixels.",
                fix="Give the true images with target=... or target_source=...",
                field="target",
                expected="an image",
            )


def _check_restores(package: ModelPackage) -> None:
    """Refuse models whose results are no restored intensities: an interval around a probability or a label is none."""
    what = _other_than_intensities(package)
    if what:
        raise ParameterError.of(
            "model",
            "a model whose result is a restored image",
            f"{package.name}, which gives {what}",
            fix="Of a segmentation, BioImg Run Model... with table=true tells how sure each object is.",
        )


def _other_than_intensities(package: ModelPackage) -> str:
    """Tell what a model gives instead of restored intensities; empty where nothing tells that it does.

    Our own packages say it; of others the first output's operations and type tell, and then the tags.
    """
    from bioimg_fiji.package.decode import before_decoding
    from bioimg_fiji.predict.outputs import TASKS

    own, output = package.own.get("values"), package.outputs[0]
    if own is not None:
        return "" if own in ("input", "target") else str(own)
    if not {"y", "x"} <= set(output.letters):
        return "no image"
    if before_decoding(package).outputs[0] != output:
        return "objects"
    steps = {op.id for op in output.ops}
    if steps & {"sigmoid", "softmax"}:
        return "probabilities"
    if "binarize" in steps or output.dtype == "bool":
        return "a mask"
    tags = " ".join(package.tags).lower()
    tasks = {word for part, word in TASKS.items() if part in tags}
    return "a segmentation" if tasks == {"segmented"} else ""


def trained_on(package: ModelPackage) -> frozenset[str]:
    """Give the hashes of the images that a model of our own was trained on, where its record tells them."""
    provenance = package.own.get("provenance")
    data = provenance.get("data") if isinstance(provenance, dict) else None
    images = data.get("images") if isinstance(data, dict) else None
    return frozenset(str(each) for each in images) if isinstance(images, list | tuple) else frozenset()


def _plain(image: Image) -> Image:
    """Give an image without its intensity calibration: errors are measured in stored values."""
    return dataclasses.replace(image, intensity=None)


def _stored(truth: Image, image: Image, package: ModelPackage) -> Image:
    """Give the truth in the values of the model's result."""
    if package.own.get("values") == "input" and truth.intensity not in (None, image.intensity):
        raise ImageError(
            f"{truth.title} has another intensity calibration than {image.title}.",
            fix="Remove both: Analyze > Calibrate, Function: none.",
        )
    return _plain(truth)


def _fitting(truth: Image, output: Image) -> np.ndarray:
    sizes = {letter: (truth.size(letter), output.size(letter)) for letter in "btczyx"}
    wrong = {letter: both for letter, both in sizes.items() if both[0] != both[1]}
    if wrong:
        letter, (one, other) = next(iter(wrong.items()))
        raise ImageError(
            f"{truth.title} has {one} along {letter}, and the model's result {other}.",
            fix="Give the truth of the same pixels as the result.",
            axis=letter,
        )
    return truth.ordered(output.axes)


def _coverage(calibration: Calibration) -> list[float]:
    """Give each image's coverage with a calibration by the others; by itself where it is alone."""
    return calibration.left_out(LEVEL) or calibration.coverage(calibration.factor(LEVEL))


def _summary(calibration: Calibration) -> dict[str, float | int | str]:
    """Give what the package's description says of it."""
    figures: dict[str, float | int | str] = {
        "spread": calibration.spread,
        "truth": calibration.truth,
        "images": len(calibration.images),
        "label": calibration.label(),
    }
    if calibration.truth == "images":
        figures["coverage"] = round(float(np.mean(_coverage(calibration))), 4)
        figures["raw_coverage"] = round(float(np.mean([image.raw_coverage or 0 for image in calibration.images])), 4)
    return figures


def _result(calibration: Calibration, target: Path) -> Result:
    factor = calibration.factor(LEVEL)
    known = calibration.truth == "images"
    covered = _coverage(calibration) if known else [None] * len(calibration.images)
    rows: list[tuple[Cell, ...]] = []
    for image, share in zip(calibration.images, covered, strict=True):
        width = 2 * factor * image.width
        rows.append((image.name, image.raw_coverage, share, width, image.sorting))
    table = Table(("image", "raw_coverage", "coverage", "interval_width", "ause_of_random"), rows)
    figures: dict[str, float | int | str | bool] = {"confidence_label": calibration.label()}
    figures |= {name: value for name, value in _summary(calibration).items() if name != "label"}
    figures["factor"] = factor
    figures["interval_width"] = float(np.mean([2 * factor * image.width for image in calibration.images]))
    sorting = [image.sorting for image in calibration.images if image.sorting is not None]
    if sorting:
        figures["ause_of_random"] = float(np.mean(sorting))
    return Result(tables={TABLE: table}, figures=figures, files={"model": target}, notes=(_note(calibration),))


def _note(calibration: Calibration) -> str:
    from bioimg_fiji.trust.bounds import fewest_images

    count, needed = len(calibration.images), fewest_images(LEVEL)
    if calibration.truth == "noise model":
        return (
            "Calibrated without a truth: bounds rest on the noise model and on errors of normal shape. True images "
            "would tell whether they hold."
        )
    if count < needed:
        return (
            f"Bounds are empirical: {count} image{'s' if count > 1 else ''} calibrated them, and it takes {needed} "
            "independent ones to certify 90 % (bounds=certified)."
        )
    return f"With {count} images, bounds=certified holds for 90 % with a probability of 90 %."
