"""A command that gives its image back; the server of the benchmark `serve` loads it as one of another package."""

from __future__ import annotations

import os
import time
from pathlib import Path

from bioimg_fiji.commands import Result, command
from bioimg_fiji.commands.parameters import ImageInput, Parameters, key
from bioimg_fiji.jobs import Job


class Identity(Parameters):
    """Parameters of `identity`."""

    image: ImageInput = key(title="Image", help="The image.")
    seconds: float = key(0.0, title="Seconds", help="How long it takes, deaf to the wish to stop.")


@command(id="identity", title="BioImg Identity", menu="Plugins>BioImg")
def identity(parameters: Identity, job: Job) -> Result:
    """Give the image as it is."""
    job.progress("Identity")
    end = time.monotonic() + parameters.seconds
    while time.monotonic() < end:
        time.sleep(0.01)
    return Result(images={"output": parameters.image})


def install(folder: Path) -> str:
    """Write what makes this a command of an installed package, and give the import path for a server."""
    described = folder / "identity_command-1.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: identity-command\nVersion: 1\n")
    (described / "entry_points.txt").write_text("[bioimg_fiji.commands]\nidentity = identity_command\n")
    return os.pathsep.join([str(folder), str(Path(__file__).resolve().parent)])
