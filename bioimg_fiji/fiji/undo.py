"""What scyjava, JPype and the environment are told before Java starts: taken back, where it does not start.

They keep it for the whole process: the next try would take the last one's memory for the user's wish, and its jars.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

_VARIABLES = ("JAVA_HOME", "PATH", "IJ_PREFS_DIR")


@contextlib.contextmanager
def undone_on_failure() -> Iterator[None]:
    """Take back what is told meanwhile, where the block fails and Java does not run.

    NB: what tells something by being imported (imglyb does) must be imported before: it would not tell it again.
    """
    import jpype
    import scyjava.config as config

    variables = {name: os.environ.get(name) for name in _VARIABLES}
    constraints = (config.get_fetch_java(), config.get_java_vendor(), config.get_java_version())
    lists = [(each, list(each)) for each in (config.get_options(), config.endpoints, callbacks(), _class_path())]
    try:
        yield
    except BaseException:
        if not jpype.isJVMStarted():
            for told, before in lists:
                told[:] = before
            config.set_java_constraints(*constraints)
            for name, value in variables.items():
                set_variable(name, value)
        raise


@contextlib.contextmanager
def restored(*lists: list[Any]) -> Iterator[None]:
    """Give lists back what they hold now, whatever the block does with them."""
    before = [list(each) for each in lists]
    try:
        yield
    finally:
        for each, held in zip(lists, before, strict=True):
            each[:] = held


def set_variable(name: str, value: str | None) -> None:
    """Set a variable of the environment; None removes it."""
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def callbacks() -> list[Any]:
    """Give what scyjava calls when Java has started; it has no public way to see or to leave out any of them."""
    from scyjava import _jvm

    return _jvm._startup_callbacks  # type: ignore[no-any-return, unused-ignore] # noqa: SLF001


def _class_path() -> list[Any]:
    from jpype import _classpath

    return _classpath._CLASSPATHS  # type: ignore[no-any-return, unused-ignore] # noqa: SLF001
