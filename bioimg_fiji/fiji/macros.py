"""Running macros so that a failure is an exception with the macro's message and line."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from bioimg_fiji.errors import BioimgError, HeadlessError, JobCancelledError, MacroError
from bioimg_fiji.fiji import failures, interrupts
from bioimg_fiji.fiji.java import detach, jclass

if TYPE_CHECKING:
    from bioimg_fiji.fiji.console import Console
    from bioimg_fiji.fiji.executor import Executor

THREAD = "Run$_bioimg_Macro$"
"""Name of the thread while it runs a macro of Python's.

NB: only on a thread whose name ends so does ImageJ stop a macro whose command reports an error (ij.Macro.abort), and
only on one whose name begins so does a command find its options; ImageJ itself sees to that once per thread.
"""

_ESCAPE = 27
_stops: list[Callable[[], None]] = []
_BARE_EXIT = re.compile(r"\bexit\s*(\(\s*\)|;|$|\})")


class MacroFailure(Exception):  # noqa: N818 - an inner signal, never seen outside this package
    """What stopped a macro: ImageJ's message or an error of ours, and the line."""

    def __init__(self, cause: BioimgError, line: int) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.line = line

    def told(self) -> BioimgError:
        """Give the error for the user: MacroError, or what needs to be told apart, with the line in it."""
        cause = self.cause
        text = f"The macro failed in line {self.line}: {cause.message}"
        kind = MacroError
        if isinstance(cause, (HeadlessError, JobCancelledError)):
            kind = type(cause)  # type: ignore[assignment]
        told = kind(text, fix=cause.fix, **{**cause.details, "line": self.line})
        told.__cause__ = cause
        return told


def run_text(
    text: str,
    argument: str,
    executor: Executor,
    console: Console,
    ended: Callable[[Any], None] | None = None,
    on_stuck: Callable[[], None] | None = None,
) -> str | None:
    """Run a macro on this thread and give its `return` value; `ended` is called with the interpreter that ran it.

    Raises
    ------
    MacroFailure
        When it fails.
    KeyboardInterrupt
        When Ctrl-C has stopped it; `on_stuck` is called where it goes on nevertheless.
    """
    import jpype

    executor.begin()
    printed = console.printed
    interpreter = jclass("ij.macro.Interpreter")()
    before = _open_images()
    stopped = None
    value = None
    thread = jclass("java.lang.Thread").currentThread()
    name = str(thread.getName())
    thread.setName(THREAD)
    try:
        with stoppable(on_stuck):
            try:
                value = interpreter.run(text, argument)
            except jpype.JException as error:
                stopped = error
    except KeyboardInterrupt:
        _reopen(before)
        raise
    finally:
        thread.setName(name)
    if stopped is None and executor.failure is None and not interpreter.wasError():
        if ended is not None:
            ended(interpreter)
        return None if value is None else str(value)
    line = _line(interpreter)
    if _is_plain_exit(text, line, stopped, interpreter) and executor.failure is None:
        if ended is not None:
            ended(interpreter)
        return None
    _reopen(before)
    raise MacroFailure(_cause(executor, interpreter, stopped, console.last(printed)), line)


def stop_running() -> None:
    """Stop the macros, scripts and commands that other threads run: the process ends."""
    for stop in tuple(_stops):
        stop()


@contextlib.contextmanager
def stoppable(on_stuck: Callable[[], None] | None = None) -> Iterator[None]:
    """Have Ctrl-C, or the end of the process, stop what this thread does in Java: a macro, a script, a command.

    Raises
    ------
    KeyboardInterrupt
        When Ctrl-C has stopped it; `on_stuck` is called where it goes on nevertheless.
    """
    stop = _stopper(jclass("java.lang.Thread").currentThread())
    _stops.append(stop)
    try:
        with interrupts.stopping(stop, on_stuck):
            yield
    finally:
        _stops.remove(stop)
        forget_stop()


def _stopper(thread: Any) -> Callable[[], None]:
    def stop() -> None:
        try:
            # NB: not Interpreter.abort: it waits for the macro's end, and after two seconds ends this thread in Java.
            interpreter = jclass("ij.macro.Interpreter").getInstance()
            if interpreter is not None:
                done = interpreter.getClass().getDeclaredField("done")
                done.setAccessible(True)
                done.setBoolean(interpreter, True)
            jclass("ij.IJ").setKeyDown(_ESCAPE)
            thread.interrupt()
        finally:
            if threading.current_thread().name == interrupts.THREAD:  # another one has its own affairs with Java
                detach()

    return stop


def forget_stop() -> None:
    """Have nothing left of a stop that would end what runs next."""
    jclass("java.lang.Thread").interrupted()
    jclass("ij.IJ").setKeyUp(_ESCAPE)
    jclass("ij.IJ").resetEscape()


def _cause(executor: Executor, interpreter: Any, stopped: Any, printed: str) -> BioimgError:
    if executor.failure is not None:
        return executor.failure
    message = interpreter.getErrorMessage()
    if message is not None and str(message).strip():
        return MacroError(_sentence(str(message)))
    if stopped is not None and not failures.is_canceled(stopped):
        return failures.explain(stopped, "The macro")
    # exit("message") only prints its message; so does a dialog box of a command.
    return MacroError(_sentence(printed or "it was cancelled"))


def _is_plain_exit(text: str, line: int, stopped: Any, interpreter: Any) -> bool:
    """Tell whether the macro ended by `exit` without a message, which is no failure."""
    if stopped is None or not failures.is_canceled(stopped) or interpreter.getErrorMessage() is not None:
        return False
    lines = text.splitlines()
    return 0 < line <= len(lines) and _BARE_EXIT.search(lines[line - 1]) is not None


def _line(interpreter: Any) -> int:
    """Give the line of the error.

    NB: where ImageJ has written its own message, it has read on to the end of the line and its `getLineNumber` may
    be one too high; what it wrote is in a field.
    """
    import jpype

    try:
        if interpreter.wasError():
            field = interpreter.getClass().getDeclaredField("lineNumber")
            field.setAccessible(True)
            told = int(field.getInt(interpreter))
            if told > 0:
                return told
        return int(interpreter.getLineNumber())
    except jpype.JException:
        return 1  # it was not even read


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text if text.endswith((".", "!", "?")) else text + "."


def _open_images() -> list[Any]:
    manager = jclass("ij.WindowManager")
    return [manager.getImage(number) for number in manager.getIDList() or ()]


def _reopen(images: list[Any]) -> None:
    """Give back the images that were open before: headless, a failing macro makes ImageJ forget all of them."""
    interpreter = jclass("ij.macro.Interpreter")
    known = {image.getID() for image in _open_images()}
    for image in images:
        if image is not None and image.getID() not in known and image.getProcessor() is not None:
            interpreter.addBatchModeImage(image)
