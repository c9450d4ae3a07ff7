"""Pictures of docs/trust-segmentation.md and docs/trust-why.md, and the figures told there, from real nuclei.

    .venv/bin/python scripts/trust_figures.py NUCLEI OUTPUT [STEPS]

NUCLEI is a folder with images/ and masks/ of the same names: the first 100 are learnt from, the others judged.
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import roifile
import tifffile
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks.training.figures import auroc
from bioimg_fiji import metrics
from bioimg_fiji.commands import find
from bioimg_fiji.commands.documentation import describe
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job
from bioimg_fiji.objects import ObjectRule, label
from bioimg_fiji.runtime.export import export
from bioimg_fiji.train import TrainConfig, train
from bioimg_fiji.train.temperature import divided
from bioimg_fiji.trust.objects import confidence

Array = NDArray[Any]
TRAINING, BINS = 100, 10
SHOWN = 2
"""Which of the test images of 256 x 256 is shown."""


def main(nuclei: Path, output: Path, steps: int) -> None:
    """Train, judge, draw."""
    names = sorted(path.name for path in (nuclei / "images").glob("*.tif"))
    pairs = [(tifffile.imread(nuclei / "images" / n), tifffile.imread(nuclei / "masks" / n)) for n in names]
    images = [Image(image, "yx", title=name) for (image, _), name in zip(pairs, names, strict=True)]
    labels = [Image(mask.astype(np.uint16), "yx") for _, mask in pairs[:TRAINING]]
    config = TrainConfig(method="segmentation", steps=steps, device="cpu", threads=1)
    model = train(images[:TRAINING], config, targets=labels, job=Job(on_note=print))
    tests = pairs[TRAINING:]
    after = [model.outputs(image) for image, _ in tests]
    temperature = model.provenance["figures"]["temperature"]
    raw = dataclasses.replace(model, state_dict=divided(model.state_dict, 0, 1 / temperature))
    before = [raw.outputs(image) for image, _ in tests]
    rule = ObjectRule(minimum_size=model.objects["minimum_size"])
    sure, right = _objects(after, tests, model.channels, rule)
    for name, results in (("before", before), ("after", after)):
        print(name, _told(results, tests, model.channels, rule))
    print(
        f"objects {len(sure)}, right {right.mean():.3f}, AUROC {auroc(sure[~right], sure[right]):.3f}, "
        f"calibration error {metrics.expected_calibration_error(sure, right, bins=BINS):.3f}"
    )
    _calibration(output / "trust-calibration.png", _pixels(before, tests), _pixels(after, tests), (sure, right))
    place = [number for number, (image, _) in enumerate(tests) if image.shape == (256, 256)][SHOWN]
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "nuclei.zip"
        export(model, describe(model.provenance, "nuclei"), package, "objects")
        _confidence(output / "trust-objects.png", images[TRAINING + place], tests[place][1], package)
        _why(output / "trust-why.png", images[TRAINING + place], package)


def _pixels(results: Sequence[Array], tests: Sequence[tuple[Array, Array]]) -> tuple[Array, Array]:
    return np.concatenate([each[0].ravel() for each in results]), np.concatenate([m.ravel() > 0 for _, m in tests])


def _told(
    results: Sequence[Array], tests: Sequence[tuple[Array, Array]], names: Sequence[str], rule: ObjectRule
) -> str:
    said, true = _pixels(results, tests)
    found = [label(Image(each, "cyx"), names, "yx", rule).pixels for each in results]
    together = metrics.together([metrics.match(mask, each) for (_, mask), each in zip(tests, found, strict=True)])
    error = metrics.expected_calibration_error(said, true)
    return f"ECE {error:.4f}, AP50 {together.average_precision(0.5):.4f}, AP70 {together.average_precision(0.7):.4f}"


def _objects(
    results: Sequence[Array], tests: Sequence[tuple[Array, Array]], names: Sequence[str], rule: ObjectRule
) -> tuple[Array, Array]:
    """Give each object's confidence, and whether a true one overlaps it by half."""
    sure, right = [], []
    for each, (_, mask) in zip(results, tests, strict=True):
        output = Image(each, "cyx")
        labels = label(output, names, "yx", rule)
        values = confidence(output, names, labels, "yx", rule)
        assert values is not None
        for number in range(1, int(labels.pixels.max()) + 1):
            inside = labels.pixels == number
            sure.append(float(values[inside][0]))
            right.append(overlap(inside, mask) >= 0.5)
    return np.array(sure), np.array(right)


def overlap(inside: Array, mask: Array) -> float:
    """Give the largest intersection over union of an object with a true one."""
    shared = np.bincount(mask[inside].ravel().astype(np.intp))
    shared[0] = 0
    best = int(shared.argmax())
    return float(shared[best] / np.count_nonzero(inside | (mask == best))) if shared[best] else 0.0


def _calibration(path: Path, before: Any, after: Any, objects: Any) -> None:
    """Draw reliability diagrams of pixels and of objects."""
    figure = Figure(figsize=(8, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    for axes, title in ((left, "pixels: foreground"), (right, "objects: a true one overlaps by half")):
        axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
        axes.set(title=title, xlabel="what the model says", ylabel="how often it is so", xlim=(0, 1), ylim=(0, 1))
    for (said, true), name, colour in ((before, "before", "#d95f02"), (after, "calibrated", "#1b9e77")):
        error = metrics.expected_calibration_error(said, true)
        left.plot(*_curve(said, true), "o-", color=colour, label=f"{name}, ECE {error:.4f}")
    left.legend()
    sure, true = objects
    order = auroc(sure[~true], sure[true])
    right.plot(*_curve(sure, true), "o-", color="#7570b3", label=f"confidence, AUROC {order:.2f}")
    right.legend(loc="upper left")
    figure.savefig(path, dpi=110)


def _curve(said: Array, true: Array) -> tuple[list[float], list[float]]:
    places = np.minimum((said * BINS).astype(int), BINS - 1)
    filled = [n for n in range(BINS) if np.count_nonzero(places == n) >= 5]
    return [float(said[places == n].mean()) for n in filled], [float(true[places == n].mean()) for n in filled]


def _confidence(path: Path, image: Image, mask: Array, package: Path) -> None:
    """Draw an image, and its objects in the colour of their confidence; the wrong ones are crossed."""
    done = find("run_model").run({"image": image, "model": package, "labels": True, "table": True})
    table, labels = done.tables["objects"], done.images["output"].pixels
    shown = np.full(labels.shape, np.nan)
    figure = Figure(figsize=(8.6, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    for row in table.rows:
        told = dict(zip(table.columns, row, strict=True))
        inside = labels == int(float(told["Object"]))  # type: ignore[arg-type]
        shown[inside] = told["confidence"]
        if overlap(inside, mask) < 0.5:
            right.plot(told["X"], told["Y"], "x", color="red", markersize=8)
    left.imshow(image.pixels, cmap="gray", vmax=np.percentile(image.pixels, 99.5))
    left.set_title("nuclei")
    drawn = right.imshow(shown, cmap="viridis", vmin=0.5, vmax=1)
    right.set_title("confidence (red: no true object overlaps by half)")
    figure.colorbar(drawn, ax=right, shrink=0.8)
    for axes in (left, right):
        axes.set_axis_off()
    figure.savefig(path, dpi=110)


def _why(path: Path, image: Image, package: Path) -> None:
    """Draw what the three methods say of one nucleus, and four maps of the bottleneck."""
    labels = find("run_model").run({"image": image, "model": package}).images["output"].pixels
    sizes = np.bincount(labels.ravel().astype(np.intp))
    rows, columns = np.nonzero(labels == int(sizes[1:].argmax()) + 1)
    roi = roifile.ImagejRoi()
    roi.roitype = roifile.ROI_TYPE.RECT
    roi.top, roi.bottom, roi.left, roi.right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    chosen = dataclasses.replace(image, roi=roi.tobytes())
    figure = Figure(figsize=(11, 5.8), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(2, 4)
    _shown(grid[0, 0], image.pixels, "nuclei, one selected", "gray")
    for number, method in enumerate(("grad_cam", "occlusion", "integrated_gradients"), 1):
        heat = find("explain").run({"image": chosen, "model": package, "method": method}).images["output"]
        low, high = heat.channels[0].display or (0, 1)
        colours = "coolwarm" if low < 0 else "inferno"
        _shown(grid[0, number], heat.pixels, method, colours, vmin=low, vmax=high)
    for axes in grid[0]:
        box = np.array([[roi.left, roi.top], [roi.right, roi.top], [roi.right, roi.bottom], [roi.left, roi.bottom]])
        axes.plot(*np.vstack([box, box[:1]]).T, color="#ffcc00", linewidth=1)
    done = find("feature_maps").run({"image": image, "model": package})
    stack = done.images["output"]
    lively = np.argsort(-stack.pixels.std(axis=(1, 2)))[:4]
    for axes, number in zip(grid[1], sorted(lively), strict=True):
        _shown(axes, stack.pixels[number], stack.labels[number], "gray")
    figure.savefig(path, dpi=90)


def _shown(axes: Any, pixels: Array, title: str, colours: str, **limits: float) -> None:
    axes.imshow(pixels, cmap=colours, interpolation="nearest", **limits)
    axes.set_title(title)
    axes.set_axis_off()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 400)
