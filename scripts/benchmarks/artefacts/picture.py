"""The picture of docs/trust-error-map.md: real nuclei, three artefacts planted into a result, and the map.

Usage: python scripts/benchmarks/artefacts/picture.py docs/images/error-map.png [--gaussian]
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.artefacts.planted import of_labels
from bioimg_fiji import Image
from bioimg_fiji.commands import find
from bioimg_fiji.drawn import labels_of
from bioimg_fiji.train import TrainConfig, synthetic, train

FOLDER = Path(__file__).resolve().parents[4] / "shared" / "data" / "stardist"
PHOTONS, STEPS, SIDE = 10.0, 500, 256
COLOURS = {"removed cell": "#40c4ff", "added spot": "#69f0ae", "shifted cell": "#ffd740"}


def main() -> None:
    """Plant, look and draw."""
    window = np.s_[128 : 128 + SIDE, 128 : 128 + SIDE]
    photons = tifffile.imread(FOLDER / "img2d.tif")[window].astype(np.float64)
    photons *= PHOTONS / photons.mean()
    labels = tifffile.imread(FOLDER / "mask2d.tif")[window]
    raw = synthetic.expose(photons, np.random.default_rng(0))
    chosen = {}
    for artefact in of_labels([photons], [labels], seed=5):
        rows, columns = np.nonzero(artefact.mask)
        apart = all(np.hypot(rows.mean() - y, columns.mean() - x) > 60 for y, x, _ in chosen.values())
        inside = 25 < rows.mean() < SIDE - 25 and 25 < columns.mean() < SIDE - 25
        if artefact.kind not in chosen and apart and inside:
            chosen[artefact.kind] = (rows.mean(), columns.mean(), artefact)
    change = synthetic.GAIN * sum(artefact.photons for *_, artefact in chosen.values())
    restore = _restorer(raw, gaussian="--gaussian" in sys.argv)
    result = restore((raw + change).astype(np.float32))
    found = find("error_map").run({"image": Image(result, "yx", title="denoised.tif"), "raw": Image(raw, "yx")})
    _draw(Path(sys.argv[1]), raw, result, found.images["output"], chosen)
    for note in found.notes:
        print(note)
    for row in found.tables["places"].rows[:5]:
        print(row)
    print({kind: (round(y), round(x)) for kind, (y, x, _) in chosen.items()})


def _restorer(raw: NDArray[Any], *, gaussian: bool) -> Any:
    if gaussian:
        return lambda noisy: gaussian_filter(noisy, 1.5)
    config = dataclasses.replace(TrainConfig.preset("quick", device="cpu"), steps=STEPS)
    return train([Image(raw, "yx")], config).denoise


def _draw(path: Path, raw: NDArray[Any], result: NDArray[Any], worst: Image, chosen: dict[str, Any]) -> None:
    figure = Figure(figsize=(11.4, 4.1), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 3)
    low, high = np.percentile(result, (0.2, 99.8))
    for panel, pixels, name in zip(
        axes, (raw, result), ("Raw image", "Result with three planted artefacts"), strict=False
    ):
        panel.imshow(pixels, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
        panel.set_title(name)
    (channel,) = worst.channels
    colours = np.frombuffer(channel.lut, np.uint8).reshape(3, 256).T / 255
    shown = axes[2].imshow(worst.pixels, cmap=ListedColormap(colours), vmin=0, vmax=10, interpolation="nearest")
    axes[2].set_title("Error map")
    axes[2].contour(labels_of(worst).pixels > 0, [0.5], colors="white", linewidths=0.8)
    figure.colorbar(shown, ax=axes[2], label="standard deviations of noise", shrink=0.85)
    for panel in axes:
        panel.set_axis_off()
        for kind, (y, x, artefact) in chosen.items():
            radius = 8 + float(np.sqrt(artefact.mask.sum() / np.pi)) * 1.3
            panel.add_patch(Circle((x, y), radius, fill=False, edgecolor=COLOURS[kind], linewidth=1.3))
    for place, kind in enumerate(chosen):
        axes[1].text(4, 12 + 13 * place, kind, color=COLOURS[kind], fontsize=9)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
