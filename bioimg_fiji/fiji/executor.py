"""Runs ImageJ's commands in place of ij.Executer, which swallows every exception of a command and lets the macro go on.

ImageJ asks its command listeners before each command, on the thread of `run(...)`. This one runs the command itself,
tells the macro of a failure in ImageJ's own way (`IJ.error`, which stops it), and keeps the error for Python. With
windows that would show a dialog, which Python would have to wait for: there the macro is stopped without a word, and
only the macros that Python runs are looked after.
"""

from __future__ import annotations

import logging
import re
from typing import Any

from bioimg_fiji.errors import BioimgError
from bioimg_fiji.fiji import failures
from bioimg_fiji.fiji.java import jclass
from bioimg_fiji.fiji.macros import THREAD
from bioimg_fiji.fiji.plugin import finds_plugin

_CLASS = re.compile(r'(?P<name>.*?)\("(?P<argument>.*)"\)')
_OURS = "io.github.bioimgfiji."
_log = logging.getLogger(__name__)


class Executor:
    """Implements ij.CommandListener and ij.IJ.ExceptionHandler; `failure` is the first error since `begin`."""

    def __init__(self, *, windows: bool = False) -> None:
        self._windows = windows
        self._finds_ours = finds_plugin()
        self.failure: BioimgError | None = None
        self._proxies: list[Any] = []

    def install(self) -> None:
        """Stand between run(...) and the commands."""
        import jpype

        listener = jpype.JProxy("ij.CommandListener", inst=self)
        jclass("ij.Executer").addCommandListener(listener)
        if not self._windows:
            jclass("ij.IJ").setExceptionHandler(jpype.JProxy("ij.IJ$ExceptionHandler", inst=self))
        self._proxies.append(listener)

    def uninstall(self) -> None:
        """Leave ImageJ to itself, or to the run around this one."""
        if self._proxies:
            jclass("ij.Executer").removeCommandListener(self._proxies.pop())
        if not self._windows:
            jclass("ij.IJ").setExceptionHandler(None)

    def begin(self) -> None:
        """Forget what failed before."""
        self.failure = None

    def commandExecuting(self, command: Any) -> Any:  # noqa: N802 - Java's name
        """Run the command; None tells ImageJ that it is done. Unknown names are left to ImageJ (tables, macros)."""
        import jpype

        target = jclass("ij.Menus").getCommands().get(command)
        if target is None or (self._windows and not self._is_python()):
            return command
        name = str(command)
        match = _CLASS.fullmatch(str(target))
        class_name, argument = (match["name"], match["argument"]) if match else (str(target), "")
        try:
            if class_name.startswith(_OURS) and not self._finds_ours:
                jclass(class_name)().run(argument)
            else:
                jclass("ij.IJ").runPlugIn(name, class_name, argument)
        except jpype.JException as error:
            self._unlock()
            if failures.is_canceled(error):
                # The message has gone to the macro already; ImageJ's own executer drops this exception, too.
                return None
            _log.debug("%s failed", name, exc_info=True)
            self._fail(name, failures.explain(error, name))
        finally:
            jclass("ij.IJ").setKeyUp(jclass("ij.IJ").ALL_KEYS)
        return None

    def handle(self, error: Any) -> None:
        """Take an exception that ImageJ would only have printed."""
        if not failures.is_canceled(error) and self.failure is None:
            self.failure = failures.explain(error, "ImageJ")

    def _fail(self, name: str, error: BioimgError) -> None:
        import jpype

        if self.failure is None:
            self.failure = error
        if self._windows:
            interpreter = jclass("ij.macro.Interpreter").getInstance()
            if interpreter is not None:
                interpreter.abort(jpype.JObject(None, "java.lang.String"))
            return
        try:
            jclass("ij.IJ").error(name, str(error))
        except jpype.JException as stop:
            if not failures.is_canceled(stop):
                raise

    def _is_python(self) -> bool:
        return str(jclass("java.lang.Thread").currentThread().getName()) == THREAD

    def _unlock(self) -> None:
        image = jclass("ij.WindowManager").getCurrentImage()
        if image is not None:
            image.unlock()
