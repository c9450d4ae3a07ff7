"""A command that shows curves and a preview until it is asked to finish; servers of tests load it by an entry point.

It is registered by another module, live_entry: the registry of the tests' own process stays as it is.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from bioimg_fiji.commands import Command, Result
from bioimg_fiji.commands.parameters import ImageInput, ImageList, Parameters, key
from bioimg_fiji.errors import JobCancelledError
from bioimg_fiji.jobs import Job, Live, Preview

SIDE = 192
"""Pixels of the preview's side: as large as one of a training."""


class ShowLive(Parameters):
    """Parameters of `show_live`."""

    image: ImageInput | None = key(None, title="Image", help="An image.", unless=("images",))
    images: ImageList = key((), title="Images", help="Any number of images.")
    name: str = key("", title="Name", help="A word.")
    keeps: float = key(0.0, title="Keeps", help="Seconds that it takes to keep something once it is cancelled.")
    last: int = key(0, title="Last", help="Show so many things, then end; 0 waits until it is asked to finish.")


def shown(step: int) -> Live:
    """Give what the command shows at a step: a loss that is 1/step, none at step 2, and a preview of that value."""
    curve = [(float(each), 1 / each if each != 2 else float("nan")) for each in range(1, step + 1)]
    pixels = np.full((SIDE, SIDE), step, "<f4").tobytes()
    preview = Preview(step, ("before", "after"), (SIDE, SIDE), (0.0, 10.0), (pixels, pixels))
    return Live({"loss": curve, "validation": curve[:1]}, preview, finishable=True)


def show_live(parameters: ShowLive, job: Job) -> Result:
    """Show something every hundredth of a second."""
    step = 0
    while not job.finishing and (not parameters.last or step < parameters.last):
        step += 1
        job.show(shown(step))
        try:
            job.progress("Showing", step)
        except JobCancelledError as cancelled:
            time.sleep(parameters.keeps)
            cancelled.fix = f"Kept at step {step}."
            raise
        time.sleep(0.01)
    values = [float(each.pixels.mean()) for each in parameters.images]
    single = None if parameters.image is None else float(parameters.image.pixels.mean())
    return Result(figures={"step": step, "watched": job.watched, "values": str(values), "single": str(single)})


SHOW_LIVE = Command("show_live", "BioImg Show Live", "Plugins>BioImg", ShowLive, show_live, "Show something.")


def install(folder: Path) -> str:
    """Write what makes this module's command one of an installed package, and give the import path for a server."""
    described = folder / "live_command-1.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: live-command\nVersion: 1\n")
    (described / "entry_points.txt").write_text("[bioimg_fiji.commands]\nlive = support.live_entry\n")
    return str(Path(__file__).resolve().parents[1])
