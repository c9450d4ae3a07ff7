"""How much memory Java gets, and which of its collectors."""

from __future__ import annotations

import os
import re

import psutil

from bioimg_fiji import settings
from bioimg_fiji.errors import ParameterError

_HALF = "50%"
"""The models live in the same process: Java leaves them as much as it takes."""

_LEAST = 256 << 20
_UNITS = {"": 1 << 30, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_EXPECTED = 'a size such as "8g" or "800m", or a share of the memory such as "50%" or 0.5'


def heap_option(memory: str | float) -> str:
    """Give Java's option for a size ("8g", "800 MB"; a number alone is GB) or a share ("50%", or 0.5 for the half).

    Raises
    ------
    ParameterError
        When it is neither, less than Java can work with, or more than the computer has.
    """
    text = str(memory).strip()
    total = psutil.virtual_memory().total
    share, size = _share(text), _SIZE.fullmatch(text)
    if share is None and size is None:
        raise ParameterError.of("memory", _EXPECTED, memory)
    wanted = total * share if share is not None else float(size[1]) * _UNITS[size[2].lower()]  # type: ignore[index]
    if not _LEAST <= wanted <= total:
        raise ParameterError(
            f"memory={memory} is {_told(wanted)}, and Java can have from {_told(_LEAST)} to {_told(total)} here.",
            fix=f"Give {_EXPECTED}.",
        )
    if share is not None:
        return f"-XX:MaxRAMPercentage={100 * share:g}"
    return f"-Xmx{int(wanted) >> 20}m"


def memory_options(memory: str | float | None = None) -> list[str]:
    """Give the options for Java's memory, and a collector for large arrays.

    The first of these that there is: `memory`; what the user has given to scyjava or in JAVA_TOOL_OPTIONS; the setting
    "memory"; the half. Java's usual collector, G1, treats every plane of an image as an exception, and takes two to
    three times as long to make one.
    """
    given = given_options()
    heap = []
    if memory is not None or not re.search(r"-Xmx|RAMPercentage|-XX:MaxHeapSize", given):
        heap = [heap_option(memory if memory is not None else settings.get("memory") or _HALF)]
    return heap if re.search(r"-XX:\+Use\w+GC\b", given) else [*heap, "-XX:+UseParallelGC"]


def given_options() -> str:
    """Give what the user has told Java, by scyjava or JAVA_TOOL_OPTIONS."""
    import scyjava.config

    return " ".join([*scyjava.config.get_options(), os.environ.get("JAVA_TOOL_OPTIONS", "")])


def _share(text: str) -> float | None:
    """Give the part of the memory that a text names: "50%" or "0.5"; a number from 1 on is a size."""
    number = text.removesuffix("%").strip()
    if not re.fullmatch(r"\d+(\.\d+)?|\.\d+", number):
        return None
    if text.endswith("%"):
        return float(number) / 100
    return float(number) if float(number) < 1 else None


def _told(size: float) -> str:
    return f"{size / (1 << 30):.3g} GB" if size >= 1 << 30 else f"{size / (1 << 20):.3g} MB"
