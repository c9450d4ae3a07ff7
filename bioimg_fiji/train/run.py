"""Train a model: check, look at the noise, run the loop, hand over the result."""

from __future__ import annotations

import dataclasses
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

import bioimg_fiji
from bioimg_fiji.errors import MissingPartError, ParameterError, TrainingError, UnsuitableMethodError
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job
from bioimg_fiji.nets import divisor
from bioimg_fiji.nets.told import is_head
from bioimg_fiji.runtime.restart import StartingPoint
from bioimg_fiji.train import checkpoint as checkpoints
from bioimg_fiji.train.catalogue import kind_of, learning_rate_of
from bioimg_fiji.train.config import TrainConfig
from bioimg_fiji.train.crop import liveliest
from bioimg_fiji.train.data import TrainingData, looked_at, target_looked_at
from bioimg_fiji.train.design import ARCHITECTURE, network_arguments
from bioimg_fiji.train.finetune import adapted, refitted
from bioimg_fiji.train.heap import freed_memory_kept
from bioimg_fiji.train.loop import Loop
from bioimg_fiji.train.method import Method, Source
from bioimg_fiji.train.noise_check import Finding, Severity
from bioimg_fiji.train.registry import method_named
from bioimg_fiji.train.result import TrainedModel
from bioimg_fiji.train.stored import TrainingImage
from bioimg_fiji.train.telling import told as told_of
from bioimg_fiji.train.temperature import calibrated
from bioimg_fiji.train.validate import judged
from bioimg_fiji.trust.conformal import pixels_sha256

_FREE = ("device", "threads", "checkpoint_every", "force", "together", "precision", "learning_rate")
"""Parameters that may differ between a checkpoint and the run that resumes it.

Threads and precision are then the checkpoint's; the learning rate may be lowered after a loss that was not finite.
"""


def train(
    images: Sequence[TrainingImage],
    config: TrainConfig,
    *,
    targets: Sequence[TrainingImage] = (),
    start: StartingPoint | None = None,
    job: Job | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
) -> TrainedModel:
    """Train a model on images.

    Parameters
    ----------
    images
        Raw images, in memory or as opened files (`bioimg_fiji.files.open_source`), of which patches are read when they
        are needed; see `bioimg_fiji.train.data.prepare` for what is a sample.
    config
        Parameters.
    targets
        What the images should become, one for each, for the methods that learn from pairs (care, segmentation).
    start
        A model to go on from (`bioimg_fiji.runtime.restart.starting_point`): its network, weights and scale are used.
    job
        Receives progress (figures `loss`, `validation` and `seconds_left`), notes, curves and previews; it may cancel,
        or ask to finish with the best state so far.
    checkpoint
        File that is rewritten every `config.checkpoint_every` steps.
    resume
        Go on from `checkpoint` if it is there. On the CPU every loss is then, bit for bit, that of a run never stopped.

    Returns
    -------
    The model with the weights, averaged over the last steps, of the state that the validation keeps (`best.Best`).

    Raises
    ------
    UnsuitableMethodError
        When the noise does not suit the method and `config.force` is not set.
    ImageError, ImageTooSmallError, AxesError
        For images that cannot be trained on.
    TrainingError
        When a loss is not finite, or the checkpoint belongs to other data or parameters.
    JobCancelledError
        When the job was cancelled; the checkpoint then holds the last step.
    """
    job = job or Job()
    method = method_named(config.method)
    if config.confidence and kind_of(config.method) == "segmentation":
        raise ParameterError.of("confidence", "false for a segmentation: its result is a probability itself", True)
    config = dataclasses.replace(config, learning_rate=config.learning_rate or learning_rate_of(config.method))
    job.progress("Looking at the images")
    if start is not None:
        config = adapted(config, start)
    source = method.source(images, config, targets)
    findings = _look(method, images, config, targets, job)
    kwargs = network_arguments(source.data.smallest, source.in_channels, config, source.network)
    if start is not None:
        kwargs = refitted(source, kwargs, start)
    kwargs |= {"spread": True} if config.confidence else {}
    identity = {"config": _decisive(config), "data": source.data.sha256, "network": kwargs}
    identity |= {"start": start.sha256} if start is not None else {}
    device = _device(config.device)
    began = time.monotonic()
    state = _resumed(checkpoint, identity) if resume else {}
    config = dataclasses.replace(config, precision=state.get("precision") or _precision(config.precision, device))
    tile = liveliest(source.data, divisor(ARCHITECTURE, kwargs))
    with _threads(int(state.get("threads", config.threads))) as threads, freed_memory_kept():
        loop = Loop(source, kwargs, config, device, None if start is None else dict(start.state_dict), tile)
        if state:
            loop.restore(state)
            job.note(f"Resumed after step {loop.done}.")
        ended = loop.run(job, checkpoint, {"identity": identity, "threads": threads, "precision": config.precision})
    if ended == "early":
        job.note(f"Stopped after step {loop.done}: the validation has not become better for long.")
    machine = {
        "device": _device_name(device), "precision": config.precision, "threads": threads, "system": platform.system(),
    }  # fmt: skip
    seconds = time.monotonic() - began
    model, calibration = calibrated(_model(loop, source, kwargs, config, tile), source, job)
    job.progress("Judging the result")
    verdict = judged(model, source, images, job)
    trust = told_of(model, method.name, source, images, job)
    figures = _figures(loop, seconds) | dict(verdict.figures) | dict(trust.figures)
    figures |= {name: calibration[name] for name in ("temperature", "ece_before", "ece_after") if name in calibration}
    told = _provenance(method, config, source.data, machine, figures) | {"ended": ended}
    told["sentences"] = [*verdict.sentences, *trust.sentences]
    if calibration:
        told["calibration"] = calibration
    told["findings"] = [{"code": f.code, "sentence": f.sentence, "figures": dict(f.figures)} for f in findings]
    told["data"]["images"] = [pixels_sha256(image.pixels) for image in images if isinstance(image, Image)]
    if start is not None:
        told["start"] = {"sha256": start.sha256, "name": start.name}
    return dataclasses.replace(model, provenance=told, attachments=trust.attachments)


def _model(
    loop: Loop, source: Source, kwargs: dict[str, Any], config: TrainConfig, tile: np.ndarray[Any, Any]
) -> TrainedModel:
    weights = loop.best_weights()
    return TrainedModel(
        architecture=ARCHITECTURE,
        kwargs={name: value for name, value in kwargs.items() if name != "spread"},
        state_dict={name: tensor for name, tensor in weights.items() if not is_head(name)},
        head={name: tensor for name, tensor in weights.items() if is_head(name)},
        mean=source.data.mean,
        std=source.data.std,
        per_image=source.per_image,
        channels=source.channels,
        objects=dict(source.objects),
        out_mean=source.data.out_mean,
        out_std=source.data.out_std,
        window=source.window,
        axes="zyx"[-config.dims :],
        input_channels=source.names,
        sample=tile,
        history=tuple(loop.history),
        validation=tuple(loop.validation),
    )


def _figures(loop: Loop, seconds: float) -> dict[str, float]:
    figures: dict[str, float] = {"seconds": seconds, "steps": loop.done, "last_loss": loop.history[-1]}
    if loop.best:
        figures["best_step"], figures["validation_loss"] = loop.best
    return figures


def _precision(asked: str, device: torch.device) -> str:
    """Choose "fp32" or "bf16"; NB: not bf16 on CPUs unasked, so that the same seed gives the same model on them."""
    if asked != "auto":
        return asked
    return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"


def _look(
    method: Method, images: Sequence[TrainingImage], config: TrainConfig, targets: Sequence[TrainingImage], job: Job
) -> list[Finding]:
    """Tell the user what speaks against the method; refuse when much does and the user has not said to go on."""
    looked = [looked_at(image) for image in images]
    pairs = zip(targets, images, strict=False)  # how many there must be, the method has said already
    findings = method.look(looked, config, [target_looked_at(target, image) for target, image in pairs])
    for finding in findings:
        if finding.severity is Severity.UNSUITABLE and not config.force:
            raise UnsuitableMethodError(
                finding.sentence,
                fix="Choose another method, or set force to train all the same.",
                finding=finding.code,
                figures=dict(finding.figures),
            )
        job.note(finding.sentence)
    return findings


def _decisive(config: TrainConfig) -> dict[str, Any]:
    return {key: value for key, value in config.to_json().items() if key not in _FREE}


def _resumed(path: Path | None, identity: Mapping[str, Any]) -> dict[str, Any]:
    """Read the checkpoint to go on from; empty when the run was killed before its first one."""
    if path is None:
        raise ParameterError.of("checkpoint", "a file when resume is set", None)
    checkpoints.sweep(path)
    if not path.exists():
        return {}
    state = checkpoints.load(path)
    before = state["identity"]
    if before["data"] != identity["data"]:
        raise TrainingError(
            f"The checkpoint {path} was made with other images.",
            fix="Give the same images, or train without resuming.",
        )
    if before.get("start") != identity.get("start"):
        raise TrainingError(
            f"The checkpoint {path} was made from another model to start from.",
            fix="Name the same model, or train without resuming.",
        )
    known = {**_decisive(TrainConfig()), **before["config"]}  # one of an earlier version lacks what is new
    changed = [key for key, value in identity["config"].items() if known[key] != value]
    if changed or before["network"] != identity["network"]:
        raise TrainingError(
            f"The checkpoint {path} was made with other parameters: {', '.join(changed) or 'network'}.",
            fix="Give the same parameters, or train without resuming.",
            changed=changed,
        )
    return state


def _device(name: str) -> torch.device:
    """Choose the device; one that was asked for and is not there is an error, never silently the CPU."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if there[kind])
    if not there[name]:
        raise MissingPartError(
            f"This computer has no {name} device that torch can use.", fix='Set device to "auto" or "cpu".'
        )
    return torch.device(name)


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


@contextmanager
def _threads(count: int) -> Iterator[int]:
    """Use so many CPU threads (0: as many as torch does by itself) for the time of the training."""
    before = torch.get_num_threads()
    try:
        if count:
            torch.set_num_threads(count)
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


def _provenance(
    method: Method, config: TrainConfig, data: TrainingData, machine: dict[str, Any], figures: dict[str, float]
) -> dict[str, Any]:
    return {
        "method": method.name,
        "paper": method.paper,
        "parameters": config.to_json(),
        "data": {
            "sha256": data.sha256,
            "samples": len(data.samples),
            "smallest": list(data.smallest),
            "mean": list(data.mean),
            "std": list(data.std),
            "channels": data.channels,
        },
        "machine": machine,
        "versions": {
            "bioimg-fiji": bioimg_fiji.__version__,
            "torch": str(torch.__version__),  # a subclass of str, which YAML refuses
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "figures": figures,
    }
