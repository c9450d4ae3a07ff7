"""Evaluates images by the metrics that suit their kind."""

from __future__ import annotations

from dataclasses import dataclass, field

from bioimg_fiji.errors import ParameterError
from bioimg_fiji.evaluate import blind, labels, planes
from bioimg_fiji.evaluate.catalogue import names
from bioimg_fiji.evaluate.kinds import Kind
from bioimg_fiji.evaluate.labels import Tables
from bioimg_fiji.evaluate.rows import Evaluation, Tell
from bioimg_fiji.evaluate.samples import Given


@dataclass(frozen=True)
class Asked:
    """What is asked for.

    Parameters
    ----------
    kind
        Of data.
    metrics
        Names; none: all that suit.
    tables
        Parents of tracks.
    divide
        Whether masks are divided into their connected pieces; else their number is a label.
    """

    kind: Kind
    metrics: tuple[str, ...] = ()
    tables: Tables = field(default_factory=Tables)
    divide: bool = True


def evaluate(given: Given, asked: Asked, tell: Tell | None = None) -> Evaluation:
    """Evaluate an image.

    Parameters
    ----------
    given
        The image, and what stands beside it: the truth, or without one the raw image.
    asked
        What is asked for.
    tell
        Called before each plane; may raise.

    Raises
    ------
    ParameterError
        For a metric that does not suit the data, or that is asked for by name and has no value anywhere; and when the
        truth, or without one the raw image, is missing.
    """
    needed = "raw" if asked.kind == "blind" else "truth"
    if needed not in given.others:
        raise ParameterError(
            f"{needed} is missing: kind={asked.kind} compares the image with it.",
            fix="Give truth=..., or raw=... where no truth is known.",
            field=needed,
            expected="an image",
            got="",
        )
    known = names(asked.kind)
    for name in asked.metrics:
        if name not in known:
            raise ParameterError.of(
                "metrics", f"auto, or names of {', '.join(known)} (kind={asked.kind})", name, fix="Name one of these."
            )
    tell = tell or _silent
    if asked.kind == "labels":
        found = labels.evaluate(given, asked.metrics, asked.tables, tell, divide=asked.divide)
    elif asked.kind == "blind":
        found = blind.evaluate(given, asked.metrics)
    else:
        found = planes.evaluate(given, asked.kind, asked.metrics, tell)
    for name in asked.metrics:
        if not any(figure == name or figure.rstrip("0123456789") == name for figure in found.figures):
            reason = found.reasons.get(name, "the images are constant, too small or not finite")
            raise ParameterError(
                f"{name} cannot be measured: {reason}.",
                fix="Name others, or say auto.",
                field="metrics",
                expected="auto, or names of metrics that have a value",
                got=name,
            )
    return found


def _silent(done: int, planes: int) -> None:
    """Tell nobody."""
