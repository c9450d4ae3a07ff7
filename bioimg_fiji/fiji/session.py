"""`open_fiji` and the `Fiji` object: the same for a real Fiji and for embedded ImageJ."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy.typing as npt

from bioimg_fiji import commands
from bioimg_fiji.commands import Result
from bioimg_fiji.commands.macro import format_line
from bioimg_fiji.errors import BioimgError, EndpointError, FijiError, FileFormatError
from bioimg_fiji.fiji import interrupts, macros, menu, scripts, tables
from bioimg_fiji.fiji.backend import InProcessBackend, Run
from bioimg_fiji.fiji.console import Console, LogWindow
from bioimg_fiji.fiji.convert import to_image, to_imageplus
from bioimg_fiji.fiji.endpoint import find_endpoint
from bioimg_fiji.fiji.executor import Executor
from bioimg_fiji.fiji.inputs import as_image, further_images
from bioimg_fiji.fiji.java import jclass
from bioimg_fiji.fiji.start import Started, start_fiji
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job
from bioimg_fiji.runtime.threads import share_cores

_log = logging.getLogger(__name__)
_lock = threading.Lock()
_current: Fiji | None = None


def open_fiji(endpoint: str | os.PathLike[str] | None = None, headless: bool = True) -> Fiji:
    """Open a Fiji in this process.

    Parameters
    ----------
    endpoint
        Folder of a Fiji, Maven coordinates such as "sc.fiji:fiji", or "embedded" (plain ImageJ from Maven Central).
        Left out: BIOIMG_FIJI_ENDPOINT, the settings, a Fiji in one of the usual places, else "embedded".
    headless
        Whether to work without windows.

    Returns
    -------
    Fiji
        To be closed, best by `with`. A second call gives the same session while it is open. After `close`, the same
        endpoint can be opened again.

    Raises
    ------
    EndpointError
        When it cannot be opened, or when this process has opened another one: Java cannot be started twice.
    MissingPartError
        When there is no Java, or no jar of the plugin.
    HeadlessError
        With `headless=False`, when there is no display.
    """
    global _current  # noqa: PLW0603 - Java is one per process, and so is the session
    share_cores()
    with _lock:
        started = start_fiji(None if endpoint is None else find_endpoint(endpoint), headless)
        if _current is None:
            # Before Java's own end: nothing of Java may call Python any more then.
            atexit.register(_close_current)
        if _current is None or _current.closed:
            _current = Fiji(started)
        return _current


def _close_current() -> None:
    if _current is not None:
        _current.close()


class Fiji:
    """An open Fiji or ImageJ.

    Images are exchanged by copy: what happens to one side leaves the other alone. A result that a command only shows in
    a window of its own (the Results table) comes back as a table.
    """

    def __init__(self, started: Started) -> None:
        self._started = started
        self._console = Console()
        self._backend = InProcessBackend(self._refresh)
        self._executor = Executor(windows=not started.headless)
        self._menu = menu.Menu()
        self._backend.register()
        self._refresh()
        if started.headless:
            self._executor.install()
        self._log_window = None if started.headless else LogWindow()
        self.on_stuck: Callable[[], None] | None = None
        """Called where a macro goes on seconds after Ctrl-C: ImageJ's own code may look at nothing for long."""
        self.closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Fiji {self.version} from {self.endpoint}{', closed' if self.closed else ''}>"

    @property
    def version(self) -> str:
        """Version, as Fiji tells it: "1.54p", or "2.17.0/1.54p" where there is an ImageJ2."""
        return self._started.version

    @property
    def endpoint(self) -> str:
        """What was opened: a folder, Maven coordinates or "embedded"."""
        return self._started.endpoint

    @property
    def headless(self) -> bool:
        """Whether it works without windows."""
        return self._started.headless

    @property
    def gateway(self) -> Any:
        """The gateway `ij` of pyimagej; None where ImageJ is embedded."""
        return self._started.gateway

    def run(self, title: str, image: Image | npt.NDArray[Any] | None = None, /, **keys: Any) -> Result:
        """Run a command of the menu, as a macro's `run(title, "key=value ...")` does.

        Parameters
        ----------
        title
            The command's title.
        image
            The image to work on; it is not changed. Left out, the command takes the active image of Fiji, and what it
            opens stays open.
        keys
            The command's keys. For those of ImageJ, True gives the key alone and False leaves it out. Our commands take
            images too, where they have further image inputs, and lists of images where they take any number of them.

        Returns
        -------
        Result
            For our commands theirs. For any other, `images["output"]` is the image that the command opened, else the
            changed one; `tables` has the Results table if the command has written to it, and headless the others
            that it shows, by their titles.

        Raises
        ------
        BioimgError
            The command's own error; FijiError for one of ImageJ.
        """
        self._check_open()
        self._refresh()
        ours = self._menu.has(title)
        first = None if image is None else as_image(image)
        more = further_images(title, keys, first, ours=ours)
        source = None if first is None else to_imageplus(first)
        taken = {name.partition(".")[0] for name in more}
        rest = {name: value for name, value in keys.items() if name not in taken}
        line = format_line(rest) if ours else menu.options_line(rest)
        if more and not line:
            line = " "  # an empty one would open the dialog
        tables_before = tables.snapshot()
        opened_before = set(self._ids())
        manager = jclass("ij.WindowManager")
        if source is not None:
            manager.setTempCurrentImage(source)
        try:
            with self._backend.running(more) as run:
                self._run_text(f"run({menu.quoted(title)}, {menu.quoted(line)});", "", run)
            if ours and run.result is not None:
                return run.result
            current = manager.getCurrentImage()
            output = {} if current is None else {"output": to_image(current)}
            return Result(images=output, tables=tables.changed(tables_before))
        except macros.MacroFailure as failure:
            raise _original(failure.cause, run) from failure.cause.__cause__
        finally:
            if source is not None:
                self._close_opened(opened_before)
                manager.setTempCurrentImage(None)
                source.flush()

    def run_macro(self, text: str, argument: str = "") -> str | None:
        """Run a macro in ImageJ's language.

        Parameters
        ----------
        text
            The macro.
        argument
            What `getArgument()` gives.

        Returns
        -------
        str or None
            What the macro returns by `return`.

        Raises
        ------
        MacroError
            When it fails: the message, `details["line"]`, and the command's own error as `__cause__`.
        HeadlessError
            When it does what does not work without a display.
        JobCancelledError
            When a command was cancelled.
        """
        self._check_open()
        self._refresh()
        with self._backend.running() as run:
            try:
                return self._run_text(text, argument, run)
            except macros.MacroFailure as failure:
                failure.cause = _original(failure.cause, run)
                raise failure.told() from failure.cause

    def run_macro_file(self, path: str | os.PathLike[str], argument: str = "") -> str | None:
        """Run a macro file (UTF-8); else as `run_macro`."""
        return self.run_macro(scripts.read_text(Path(path)), argument)

    def run_script_file(
        self, path: str | os.PathLike[str], values: Mapping[str, str] | None = None, text: str | None = None
    ) -> dict[str, Any]:
        """Run a SciJava script, or a macro with `#@` parameters; that takes an ImageJ2.

        Parameters
        ----------
        path
            The file; its ending tells the language.
        values
            Values of `#@` parameters, as text.
        text
            What is in the file, where it is no file.

        Returns
        -------
        dict of str
            The script's outputs, Java's objects; "result" is what a macro returns.

        Raises
        ------
        EndpointError
            When this is no ImageJ2, or does not know the language.
        ParameterError
            When a parameter has no value or a wrong one: nothing is asked for, and nothing is remembered.
        MacroError, HeadlessError, JobCancelledError
            When it fails, as `run_macro`.
        """
        self._check_open()
        place = Path(path)
        script = scripts.prepare(self.gateway, place, scripts.read_text(place) if text is None else text, values or {})
        if scripts.is_macro(place):
            value = self.run_macro(scripts.as_macro(script))
            return {} if value is None else {"result": value}
        self._refresh()
        self._executor.begin()
        printed = self._console.printed

        def stopped() -> BioimgError:
            return self._executor.failure or FijiError(self._console.last(printed) or "It was cancelled.")

        with self._backend.running() as run, interrupts.stopping(macros.stop, self.on_stuck):
            try:
                return scripts.run(script, place, stopped)
            except BioimgError as error:
                raise _original(error, run) from error.__cause__

    def watch(self, job: Job | None) -> None:
        """Tell progress, notes and curves of every command to `job`, whose `cancel` and `finish` are the command's."""
        self._backend.watcher = job

    def show(self, image: Image | npt.NDArray[Any]) -> Any:
        """Open a copy of an image in Fiji, as the active one, and give the ImagePlus."""
        self._check_open()
        imp = to_imageplus(as_image(image))
        imp.show()
        return imp

    def active_image(self) -> Image:
        """Copy the active image.

        Raises
        ------
        FijiError
            When no image is open.
        """
        self._check_open()
        imp = jclass("ij.WindowManager").getCurrentImage()
        if imp is None:
            raise FijiError("No image is open in Fiji.", fix="Open one, or give the image.")
        return to_image(imp)

    def images(self) -> list[str]:
        """Give the titles of the open images, in the order of their opening."""
        self._check_open()
        return [str(title) for title in jclass("ij.WindowManager").getImageTitles()]

    def open(self, path: str | os.PathLike[str]) -> Image:
        """Open an image file by Fiji's own readers, as the active image, and give a copy of it.

        Raises
        ------
        FileFormatError
            When Fiji cannot read it.
        """
        self._check_open()
        imp = jclass("ij.IJ").openImage(str(path))
        if imp is None:
            raise FileFormatError(f"Fiji cannot open {path}.", fix="Check the path and the format.", path=str(path))
        imp.show()
        return to_image(imp)

    def to_fiji(self, image: Image | npt.NDArray[Any]) -> Any:
        """Copy an image into an ImagePlus, which is not shown."""
        self._check_open()
        return to_imageplus(as_image(image))

    def to_python(self, imp: Any) -> Image:
        """Copy an ImagePlus."""
        self._check_open()
        return to_image(imp)

    def log(self) -> str:
        """Give what ImageJ has printed: print() of macros, its log, error messages."""
        return self._console.text()

    def close(self) -> None:
        """Close all images and free what the session holds. Java itself stays until the process ends."""
        if self.closed:
            return
        self.closed = True
        self._executor.uninstall()
        self._menu.remove()
        self._backend.unregister()
        self._close_opened(set())
        jclass("ij.WindowManager").setTempCurrentImage(None)
        if self._log_window is not None:
            self._log_window.close()
        self._console.close()
        jclass("java.lang.System").gc()

    def _refresh(self) -> None:
        """Bring the menu's table up to date: a model was pinned or unpinned, a command was registered."""
        self._menu.update(commands.load_commands().values())

    def _run_text(self, text: str, argument: str, run: Run) -> str | None:
        if not self.headless:
            self._executor.install()  # no longer than it takes: ImageJ's other commands need not ask Python
        try:
            value = macros.run_text(text, argument, self._executor, self._console, self.on_stuck)
        finally:
            if not self.headless:
                self._executor.uninstall()
        if isinstance(run.failure, KeyboardInterrupt):
            raise run.failure
        return value

    def _ids(self) -> list[int]:
        return [int(number) for number in jclass("ij.WindowManager").getIDList() or ()]

    def _close_opened(self, before: set[int]) -> None:
        for number in self._ids():
            if number not in before:
                imp = jclass("ij.WindowManager").getImage(number)
                imp.changes = False
                imp.close()
                imp.flush()

    def _check_open(self) -> None:
        if self.closed:
            raise EndpointError("This Fiji has been closed.", fix="Call open_fiji() again.")


def _original(cause: BioimgError, run: Run) -> BioimgError:
    """Give the very error that the command raised in Python, where `cause` is its way through Java."""
    raised = run.failure
    if raised is not None and not isinstance(raised, Exception):
        raise raised
    if isinstance(raised, BioimgError) and (raised.code, raised.message) == (cause.code, cause.message):
        return raised
    return cause
