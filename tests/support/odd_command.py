"""A command of another package that is no good guest; servers of tests load it by an entry point (see live_command)."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

from bioimg_fiji.commands import Command, Result
from bioimg_fiji.commands.parameters import ImageInput, Parameters, key
from bioimg_fiji.jobs import Job

_kept: list[bytes] = []


class Odd(Parameters):
    """Parameters of `odd`."""

    image: ImageInput | None = key(None, title="Image", help="An image.")
    how: str = key("", title="How", help="What it does besides.")
    seconds: float = key(0.0, title="Seconds", help="How long it takes, deaf to the wish to stop.")


def odd(parameters: Odd, job: Job) -> Result:
    """Do something that one should not, and tell where this was done."""
    found = {"pid": os.getpid(), "folder": str(Path.cwd()), "variable": os.environ.get("ODD", "")}
    if parameters.how == "mess":
        os.chdir("/")
        os.environ["ODD"] = "left behind"
    elif parameters.how == "child":
        found["child"] = subprocess.Popen(["sleep", "1000"]).pid
    elif parameters.how == "thread":
        threading.Thread(target=_talk_on, args=(job,), daemon=True).start()
    elif parameters.how == "memory":
        _kept.append(bytes(os.urandom(1 << 20)) * 1100)
    elif parameters.how == "exit":
        os._exit(3)
    elif parameters.how == "gpu":
        break_gpu().cpu()
    elif parameters.how.startswith("gpu in training, "):
        from support.broken_gpu import train_with

        train_with(Path(parameters.how.partition(", ")[2]))
    elif parameters.how == "abort":
        os.abort()
    job.progress("Odd", 1, 2)
    end = time.monotonic() + parameters.seconds
    while time.monotonic() < end:
        time.sleep(0.01)
    images = {} if parameters.image is None else {"output": parameters.image}
    return Result(images=images, figures=found)


def break_gpu() -> Any:
    """Have the GPU fail for this process: a kernel reads beyond its memory, and whatever waits for it fails."""
    import torch

    place = torch.tensor([1 << 20], device="cuda")
    return torch.zeros(8, device="cuda")[place]


def _talk_on(job: Job) -> None:
    for number in range(1000):
        job.note(f"still here {number}")
        time.sleep(0.02)


ODD = Command("odd", "BioImg Odd", "Plugins>BioImg", Odd, odd, "Do something odd.")


def install(folder: Path) -> str:
    """Write what makes this module's command one of an installed package, and give the import path for a server."""
    described = folder / "odd_command-1.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: odd-command\nVersion: 1\n")
    (described / "entry_points.txt").write_text("[bioimg_fiji.commands]\nodd = support.odd_entry\n")
    return os.pathsep.join([str(folder), str(Path(__file__).resolve().parents[1])])
