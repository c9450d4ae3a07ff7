"""Whether a model fits an image: how well the check tells fitting images from others.

Noise2Void and CARE are trained for 500 steps on the synthetic set (8 images), Noise2Void on one image of it too, and
on 20 real images of nuclei at ten photons where ../shared/data is at hand. Each judges new images of the same kind, and
others: another sample in the same light, another gain, a quarter of the light, out of focus. On two cores it takes six
minutes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from benchmarks.training.figures import auroc
from bioimg_fiji import Image
from bioimg_fiji.commands import find
from bioimg_fiji.jobs import Job
from bioimg_fiji.package import ModelPackage, open_package
from bioimg_fiji.predict import PredictOptions, predict
from bioimg_fiji.train import synthetic
from bioimg_fiji.trust.check import FitCheck
from bioimg_fiji.trust.light import Fitness, excess

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
STEPS, COUNT, SIDE, PHOTONS = 500, 20, 256, 10.0
AUROC, ALARMS = 0.95, 5.0

Images = Mapping[str, Sequence[NDArray[Any]]]


def run() -> list[dict[str, Any]]:
    """Train, and judge."""
    with tempfile.TemporaryDirectory() as text:
        return list(_figures(Path(text)))


def _figures(folder: Path) -> Iterator[dict[str, Any]]:
    training, _, _ = synthetic.benchmark_set()
    clean = [synthetic.truth(synthetic.phantom(seed=seed)) for seed in range(len(training))]
    sets = _synthetic_sets()
    n2v = _trained(folder / "n2v.zip", training)
    yield from _judged("N2V", n2v, sets)
    yield from _judged("CARE", _trained(folder / "care.zip", training, clean), sets)
    yield from _judged("N2V, one image", _trained(folder / "one.zip", training[:1]), sets, bars=False)
    if (DATA / "nuclei").is_dir():
        yield from _nuclei(folder)


def _synthetic_sets() -> Images:
    """Make images like those of the training, and others; the camera's offset is the same for all."""
    rng = np.random.default_rng(77)
    photons = [synthetic.phantom(seed=seed) for seed in range(200, 200 + COUNT)]
    sets = {name: [change(each, rng) for each in photons] for name, change in _CHANGES.items()}
    if DATA.is_dir():
        sets["other sample"] = [synthetic.expose(_like(each), rng) for each in (*_raw_nuclei()[:COUNT], *_calcium())]
    return sets


def _exposed(photons: NDArray[Any], rng: np.random.Generator, gain: float = 1.0) -> NDArray[Any]:
    """Give a camera's reading with another gain, at the same offset."""
    return ((synthetic.expose(photons, rng) - synthetic.OFFSET) * gain + synthetic.OFFSET).astype(np.float32)


_CHANGES = {
    "fitting": _exposed,
    "gain x2": lambda photons, rng: _exposed(photons, rng, 2.0),
    "gain /2": lambda photons, rng: _exposed(photons, rng, 0.5),
    "dimmer x4": lambda photons, rng: _exposed(photons / 4, rng),
    "blurred": lambda photons, rng: _exposed(gaussian_filter(photons, 2.0), rng),
}


def _like(image: NDArray[Any]) -> NDArray[Any]:
    """Give photons of another sample that are as many as the phantom's."""
    above = image - image.min()
    return 1 + 1.7 * above / above.mean()


def _raw_nuclei() -> list[NDArray[Any]]:
    images = [tifffile.imread(path).astype(float) for path in sorted((DATA / "nuclei" / "images").glob("*.tif"))]
    return [image for image in images if image.shape == (SIDE, SIDE)]


def _calcium() -> list[NDArray[Any]]:
    movie = tifffile.imread(DATA / "calcium" / "mouse_2p.tif").astype(float)
    return [movie[start : start + 10].mean(axis=0) for start in range(0, 400, 20)]


def _nuclei(folder: Path) -> Iterator[dict[str, Any]]:
    """Judge nuclei and calcium movies by a model of nuclei, of our own and of another program."""
    rng = np.random.default_rng(3)
    exposed = [synthetic.expose(image / image.mean() * PHOTONS, rng) for image in _raw_nuclei()[: 2 * COUNT]]
    package = _trained(folder / "nuclei.zip", exposed[:COUNT])
    fitting = [_judge(package, image, "yx") for image in exposed[COUNT:]]
    yield _figure("nuclei model: false alarms on other nuclei", _share(fitting), "%", "", None)
    movies = {
        "two-photon": tifffile.imread(DATA / "calcium" / "mouse_2p.tif")[:20].astype(np.float32),
        "light-sheet": tifffile.imread(DATA / "calcium" / "fish_lightsheet_tzyx.tif")[:20, 0].astype(np.float32),
    }
    foreign = open_package(DATA / "models" / "unet2d_nuclei_broad")
    for name, movie in movies.items():
        for whose, model in (("nuclei model", package), ("bioimage.io nuclei model, test tensor alone", foreign)):
            found = _judge(model, movie, "tyx")
            flagged = found.light != "green"
            bar = "flagged" if model is package else ""
            yield _figure(f"{whose}: light on the {name} calcium movie", found.light, "", bar, flagged or not bar)


def _trained(target: Path, images: Sequence[NDArray[Any]], targets: Sequence[NDArray[Any]] = ()) -> ModelPackage:
    command = "train_restoration" if len(targets) else "train_denoiser"
    keys: dict[str, Any] = {"images": [Image(each, "yx", title=f"{n}.tif") for n, each in enumerate(images)]}
    if len(targets):
        keys["targets"] = [Image(each, "yx", title=f"truth-{n}.tif") for n, each in enumerate(targets)]
    keys |= {"model": target, "steps": STEPS, "batch_size": 4, "apply": False, "device": "cpu"}
    find(command).run(keys, Job())
    return open_package(target)


def _judge(package: ModelPackage, pixels: NDArray[Any], axes: str) -> Fitness:
    """Judge as the commands do."""
    check = FitCheck(package, "warn", None, Job())
    image = Image(pixels, axes, title="image.tif")
    check.before(image)
    options = PredictOptions(device="cpu", look=False, features=check.features)
    found = predict(image, check.view("auto"), options, Job())
    judged = check.after(image, found.images.get("output"), int(found.report["tiles"]))
    assert judged is not None
    return judged


def _judged(name: str, package: ModelPackage, sets: Images, *, bars: bool = True) -> Iterator[dict[str, Any]]:
    found = {kind: [_judge(package, image, "yx") for image in images] for kind, images in sets.items()}
    fitting = found.pop("fitting")
    alarms = _share(fitting)
    yield _figure(f"{name}: false alarms on fitting images", alarms, "%", f"<= {ALARMS:g}", alarms <= ALARMS)
    for kind, judged in found.items():
        value = auroc([excess(each.figures) for each in fitting], [excess(each.figures) for each in judged])
        bar = f">= {AUROC}" if bars and kind != "blurred" else ""
        yield _figure(f"{name}: AUROC, {kind}", value, "", bar, value >= AUROC or not bar)
        yield _figure(f"{name}: yellow or red, {kind}", _share(judged), "%", "", None)


def _share(judged: Sequence[Fitness]) -> float:
    """Give how many of a hundred are yellow or red."""
    return 100.0 * sum(each.light != "green" for each in judged) / len(judged)


def _figure(name: str, value: float | str, unit: str, bar: str, holds: bool | None) -> dict[str, Any]:
    return {"figure": name, "value": value, "unit": unit, "bar": bar, "holds": holds is not False}
