"""The main job, end to end: headless ImageJ runs `demo.ijm`, which trains a denoiser on a noisy image and runs it."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from figures import before_after
from numpy.typing import NDArray

from bioimg_fiji import metrics, open_fiji, read_image, write_image
from bioimg_fiji.cli.terminal import Terminal
from bioimg_fiji.errors import BioimgError

ROOT = Path(__file__).resolve().parents[1]
MACRO = ROOT / "scripts" / "demo.ijm"


@dataclass(frozen=True)
class Source:
    """The image; `truth` (same shape and unit) and the camera's `offset` where the noise was added by us."""

    path: Path
    truth: NDArray[Any] | None
    about: str
    offset: float = 0.0


def main() -> int:
    """Run the demo and give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", nargs="?", type=Path, help="your own noisy image (default: one with known noise)")
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="folder for what the demo makes")
    parser.add_argument("--steps", type=int, help="training steps (default: the quick setting)")
    parser.add_argument("--force", action="store_true", help="train even if the method does not suit the image")
    arguments = parser.parse_args()
    terminal = Terminal()
    try:
        demo(arguments, terminal)
    except BioimgError as error:
        terminal.err.print(f"error: {error}", markup=False)
        return 1
    return 0


def demo(arguments: argparse.Namespace, terminal: Terminal) -> None:
    """Train, run, judge, and say where everything is."""
    began = time.monotonic()
    folder = arguments.output.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    source = own_image(arguments.image) if arguments.image else default_image(folder)
    terminal.err.print(source.about, markup=False)
    name = source.path.name.split(".")[0]
    model, result = folder / f"{name}-n2v.zip", folder / f"{name}-denoised.tif"
    more = f"steps={arguments.steps} " if arguments.steps else ""
    more += "force=true" if arguments.force else ""
    with terminal.job() as job, open_fiji() as fiji:
        job.note(f"ImageJ {fiji.version} is open ({fiji.endpoint}), without a display.")
        fiji.watch(job)
        fiji.run_macro_file(MACRO, "|".join([str(source.path), str(model), str(result), more]))
    picture = folder / f"{name}-before-after.png"
    noisy, denoised = read_image(source.path), read_image(result)
    before_after(picture, noisy.pixels, denoised.pixels, source.truth)
    report(terminal, noisy.pixels, denoised.pixels, source)
    rows = [("Denoised image", str(result)), ("Model package", str(model)), ("Before and after", str(picture))]
    terminal.table("", ("", ""), [*rows, ("Time", f"{time.monotonic() - began:.0f} s")])


def own_image(path: Path) -> Source:
    """Take the user's image as it is."""
    return Source(
        path.resolve(), None, f"Your image {path}: the truth is not known, so figures without reference follow."
    )


def default_image(folder: Path) -> Source:
    """Write the image that comes with the demo; noise of a known kind has been added to it."""
    from bioimg_fiji.train.samples import demo_image

    sample = demo_image()
    path = write_image(sample.noisy, folder / "demo.tif")
    return Source(path, sample.truth, sample.about, sample.offset)


def report(terminal: Terminal, noisy: NDArray[Any], denoised: NDArray[Any], source: Source) -> None:
    """Print what can be said of the result: against the truth where there is one, else without reference."""
    truth = source.truth
    noisy, denoised = noisy.astype(np.float64), denoised.astype(np.float64)
    rows: list[tuple[str, ...]] = [("Image", f"{' x '.join(map(str, noisy.shape))} pixels")]
    if truth is None:
        rows += [
            ("Noise (standard deviation), before", f"{metrics.noise_sigma(noisy):.3g}"),
            ("Noise (standard deviation), after", f"{metrics.noise_sigma(denoised):.3g}"),
            ("What was removed: correlation of neighbours", f"{metrics.residual_correlation(noisy, denoised):+.3f}"),
            ("Mean, after / before", f"{denoised.mean() / noisy.mean():.4f}"),
        ]
    else:
        sigma, gaussian = metrics.best_gaussian(truth, noisy)
        rows += [
            ("PSNR of the noisy image", f"{metrics.psnr(truth, noisy):.2f} dB"),
            ("PSNR after Noise2Void", f"{metrics.psnr(truth, denoised):.2f} dB"),
            (f"PSNR of the best Gaussian blur (sigma {sigma:.2f}, chosen with the truth)", f"{gaussian:.2f} dB"),
            ("Bias of the mean signal", f"{100 * metrics.mean_bias(truth, denoised, source.offset):+.2f} %"),
        ]
    terminal.table("", ("", ""), rows)


if __name__ == "__main__":
    if not shutil.which("java"):
        sys.exit("demo: Java is missing. Install a JDK 11 or newer.")
    sys.exit(main())
