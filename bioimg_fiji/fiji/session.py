"""`open_fiji` and the `Fiji` object: the same for a real Fiji and for embedded ImageJ."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from bioimg_fiji import commands
from bioimg_fiji.commands import Result, Table
from bioimg_fiji.commands.macro import format_line
from bioimg_fiji.errors import BioimgError, EndpointError, FijiError, FileFormatError, InputError
from bioimg_fiji.fiji import forks, macros, menu, scijava, scripts, tables, values
from bioimg_fiji.fiji import rois as regions
from bioimg_fiji.fiji.backend import InProcessBackend, Run
from bioimg_fiji.fiji.console import Console, LogWindow
from bioimg_fiji.fiji.convert import to_image, to_imageplus
from bioimg_fiji.fiji.executor import Executor
from bioimg_fiji.fiji.inputs import further_images
from bioimg_fiji.fiji.java import jclass
from bioimg_fiji.fiji.start import How, Started, start_fiji
from bioimg_fiji.fiji.turns import Turns, in_turn
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job
from bioimg_fiji.runtime.threads import share_cores

if TYPE_CHECKING:
    import pandas as pd
    import roifile

    from bioimg_fiji.fiji.isolated import Isolation

_log = logging.getLogger(__name__)
_lock = threading.Lock()
_current: Fiji | None = None
_LAST_SECONDS = 1.0


def open_fiji(
    endpoint: str | os.PathLike[str] | Any | None = None,
    headless: bool = True,
    *,
    offline: bool | None = None,
    isolate: bool = False,
    memory: str | float | None = None,
) -> Fiji:
    """Open a Fiji in this process, or take the one that runs in it already.

    Parameters
    ----------
    endpoint
        Folder of a Fiji, Maven coordinates such as "sc.fiji:fiji", "embedded" (plain ImageJ from Maven Central), or the
        gateway `ij` of imagej.init. Left out: what runs in this process already (Fiji itself has started Python, or
        imagej.init was called), else BIOIMG_FIJI_ENDPOINT, the settings, a Fiji in one of the usual places, "embedded".
    headless
        Whether to work without windows. An ImageJ with windows that runs already is taken as it is.
    offline
        Whether to take only what is cached, without the network; what is missing is told. Left out: the settings.
    isolate
        Whether the work of our commands, models and trainings, is done in worker processes: a crash or a full memory
        there is an error here.
    memory
        Memory of Java: a size such as "8g", or a share of the computer's such as "50%" or 0.5. Left out: what scyjava
        or JAVA_TOOL_OPTIONS say, the settings, or the half.

    Returns
    -------
    Fiji
        To be closed, best by `with`. A second call gives the same session while it is open. After `close`, the same
        endpoint can be opened again.

    Raises
    ------
    EndpointError
        When it cannot be opened, or when this process has opened another one, or with other `offline`, `memory` or
        `isolate` than are asked for now: Java cannot be started twice.
    MissingPartError
        When there is no Java that is new enough, or no jar of the plugin.
    HeadlessError
        With `headless=False`, when there is no display.
    FijiError
        In a process that was forked from one where Java runs.
    """
    global _current  # noqa: PLW0603 - Java is one per process, and so is the session
    share_cores()
    forks.check()
    with _lock:
        started = start_fiji(endpoint, How(headless, offline, memory))
        if _current is None:
            # Before Java's own end: nothing of Java may call Python any more then.
            atexit.register(_close_current)
        if _current is None or _current.closed:
            _current = Fiji(started, isolate=isolate)
        elif isolate and not _current.isolated:
            raise EndpointError(
                f"isolate=True cannot take effect: {_current.endpoint} is open without it.",
                fix="Close it first, or give isolate with the first open_fiji.",
            )
        return _current


def _close_current() -> None:
    """Close at the end of the process, which waits for no other thread's work."""
    if _current is None or _current.closed or forks.is_fork():
        return
    if not _current.turns.free(0):
        macros.stop_running()
    if _current.turns.free(_LAST_SECONDS):
        _current.close()
    else:
        _log.debug("the process ends while a command works on")


class Fiji:
    """An open Fiji or ImageJ.

    Images are exchanged by copy: what happens to one side leaves the other alone, but for Datasets that are to share
    numpy's memory. A result that a command only shows in a window of its own (the Results table) comes back as a table.
    """

    def __init__(self, started: Started, *, isolate: bool = False) -> None:
        self._started = started
        self._found_open = set(self._ids())
        """Images of an ImageJ that ran before us: they are not ours to close."""
        self.turns = Turns()
        with contextlib.ExitStack() as undo:  # the last first; each is done whatever becomes of the others
            undo.callback(lambda: jclass("java.lang.System").gc())
            self._console = Console()
            undo.callback(self._console.close)
            if not started.headless:
                undo.callback(LogWindow().close)
            undo.callback(self._forget)
            self._isolation: Isolation | None = None
            if isolate:
                from bioimg_fiji.fiji.isolated import Isolation

                self._isolation = Isolation()
                undo.callback(self._isolation.close)
            self._backend = InProcessBackend(self._refresh, self._isolation)
            self._backend.register()
            undo.callback(self._backend.unregister)
            self._menu = menu.Menu()
            undo.callback(self._menu.remove)
            self._refresh()
            self._executor = Executor(windows=not started.headless)
            if started.headless:
                self._executor.install()
                undo.callback(self._executor.uninstall)
            self._end = undo.pop_all()
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
    def isolated(self) -> bool:
        """Whether the work of commands is done in worker processes."""
        return self._isolation is not None

    @property
    def gateway(self) -> Any:
        """The gateway `ij` of pyimagej; None where ImageJ is embedded."""
        return self._started.gateway

    @in_turn
    def run(self, title: str, image: Any = None, /, **keys: Any) -> Result:
        """Run a command of the menu, as a macro's `run(title, "key=value ...")` does.

        Parameters
        ----------
        title
            The command's title.
        image
            The image to work on, of Python or of Fiji; it is not changed. Left out, the command takes the active image
            of Fiji, and what it opens stays open.
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
        first = None if image is None else values.to_image(image)
        keys = {name: values.of_fiji(value) for name, value in keys.items()}
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
                self._close_opened(opened_before, None if self.headless else self._shown(run))
                manager.setTempCurrentImage(None)
                source.flush()

    @in_turn
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

    @in_turn
    def run_command(self, identifier: str, /, **inputs: Any) -> dict[str, Any]:
        """Run a command of SciJava, ours or any other, as `ij.command().run` does.

        Parameters
        ----------
        identifier
            "bioimg:" and the id of a command of ours; for others the name of the Java class, or the identifier that the
            search bar shows; for all of them the title.
        inputs
            By name. Images become the Dataset or ImagePlus that the command wants. Ours take the keys of macros.

        Returns
        -------
        dict
            The outputs by name: images as Image, tables as Table, numbers, texts, lists; other objects as Java's.
            Nothing is shown.

        Raises
        ------
        BioimgError
            The command's own error; EndpointError where ImageJ is embedded, which has no SciJava; InputError for an
            input that is missing, that the command does not have, or that is not of its type; JobCancelledError.
        """
        self._check_open()
        self._refresh()
        self._prepare_regions()
        with self._stoppable(), self._backend.running() as run:
            module = scijava.command(self.gateway, identifier)
            scijava.assign(self.gateway, module, inputs)
            try:
                return scijava.run(self.gateway, module, identifier)
            except BioimgError as error:
                raise _original(error, run) from error.__cause__

    @in_turn
    def run_script(self, language: str, text: str, /, **inputs: Any) -> dict[str, Any]:
        """Run a script of any language that this Fiji has, with its `#@` parameters.

        Parameters
        ----------
        language
            Name of the language ("Jython", "JavaScript", "Groovy", ...), or a file name with its extension ("x.ijm").
        text
            The script.
        inputs
            Its parameters by name; images become the Dataset or ImagePlus that it wants.

        Returns
        -------
        dict
            Its outputs by name (`#@output`), as of `run_command`; "result" is the value of the script, where it has
            one and declares no outputs.

        Raises
        ------
        MacroError
            When it fails: the message, and `details["line"]` where the language tells it.
        BioimgError
            As for `run_command`.
        """
        self._check_open()
        self._refresh()
        self._prepare_regions()
        with self._stoppable(), self._backend.running() as run:
            module = scijava.script(self.gateway, language, text)
            scijava.assign(self.gateway, module, inputs)
            try:
                if not scijava.is_macro(module):
                    return scijava.run(self.gateway, module, "The script", self._failure())
                return scijava.run_macro(self.gateway, module, lambda text, ended: self._run_text(text, "", run, ended))
            except macros.MacroFailure as failure:
                failure.cause = _original(failure.cause, run)
                raise failure.told() from failure.cause

    def watch(self, job: Job | None) -> None:
        """Tell progress, notes and curves of every command to `job`, whose `cancel` and `finish` are the command's."""
        forks.check()
        self._backend.watcher = job

    @in_turn
    def show(self, image: Any, rois: Any = None) -> Any:
        """Open a copy of an image in Fiji, as the active one, and give the ImagePlus.

        Parameters
        ----------
        image
            Image or array, or an image of ImageJ2 (which has windows only as an ImagePlus). An ImagePlus is shown
            itself.
        rois
            Regions for its overlay, as `set_rois` takes them.
        """
        self._check_open()
        with self._stoppable():
            imp = image if isinstance(image, jclass("ij.ImagePlus")) else to_imageplus(values.to_image(image))
            if rois is not None:
                imp.setOverlay(regions.overlay(rois))
            imp.show()
            return imp

    @in_turn
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
        with self._stoppable():
            return to_image(imp)

    @in_turn
    def images(self) -> list[str]:
        """Give the titles of the open images, in the order of their opening."""
        self._check_open()
        return [str(title) for title in jclass("ij.WindowManager").getImageTitles()]

    @in_turn
    def open(self, path: str | os.PathLike[str]) -> Image:
        """Open an image file by Fiji's own readers, as the active image, and give a copy of it.

        Raises
        ------
        FileFormatError
            When Fiji cannot read it.
        """
        self._check_open()
        with self._stoppable():
            imp = jclass("ij.IJ").openImage(str(path))
            if imp is None:
                raise FileFormatError(f"Fiji cannot open {path}.", fix="Check the path and the format.", path=str(path))
            imp.show()
            return to_image(imp)

    @in_turn
    def to_fiji(self, value: Any, kind: str = "", *, share: bool = False) -> Any:
        """Give Fiji an image, a table or regions, which it does not show.

        Parameters
        ----------
        value
            Image, array or DataArray, or another image of Fiji; Table or pandas.DataFrame; roifile.ImagejRoi, or a list
            of them.
        kind
            Of images "ImagePlus" (where it is left out), "Dataset" of ImageJ2 with numpy's pixel types, or
            "ImgLabeling"; of tables "ResultsTable" or SciJava's "GenericTable"; of regions "Roi", "Overlay" (of a list)
            or "ROITree".
        share
            Have a Dataset lie in numpy's memory: nothing is copied, and what Fiji writes there changes the image. bool,
            pixels with gaps between them, and memory that is not to be written are copied all the same.

        Raises
        ------
        FijiError
            When embedded ImageJ is asked for what only ImageJ2 has, or anything but a Dataset is to share its memory.
        InputError, ImageError, AxesError
            When Fiji has no such image, table or region.
        """
        self._check_open()
        with self._stoppable():
            return values.to_java(value, kind, self.gateway, share=share)

    @in_turn
    def to_python(self, value: Any, axes: str = "", *, share: bool = False) -> Any:
        """Copy what Fiji has.

        Parameters
        ----------
        value
            ImagePlus, Dataset, ImgPlus, RandomAccessibleInterval or ImgLabeling: gives an Image. A table of ImageJ or
            SciJava: a Table. Roi or mask: a roifile.ImagejRoi; Overlay or ROITree: a list of them. A number, a text, or
            a list or map of all these.
        axes
            Letters of an image's dimensions where it does not name them, in numpy's order ("zyx" for X, Y, Z).
        share
            Give the memory itself, where it is one that Python has made; all else lies in Java's memory, and is copied.

        Raises
        ------
        InputError
            When it is none of these.
        ImageError, AxesError
            When an image's pixels are no numbers, or its dimensions are not told.
        """
        self._check_open()
        with self._stoppable():
            found = values.to_python(value, self.gateway, axes, share=share)
        if values.is_java(found):
            name = found.getClass().getName()
            raise InputError(f"{name} has no form in Python.", fix="Give an image, a table or a region of Fiji.")
        return found

    @in_turn
    def rois(self, place: str = "", image: Any = None) -> list[roifile.ImagejRoi]:
        """Copy regions of interest: those of the ROI Manager, of an image's overlay, or its selection.

        Parameters
        ----------
        place
            "manager", "overlay" or "selection". Left out: of an image that is given the overlay; without one the ROI
            Manager when it holds any, else the active image's overlay.
        image
            ImagePlus, title or Image; left out, the active image. A Dataset, a ROITree or a mask of ImgLib2 gives its
            own regions.

        Returns
        -------
        list of roifile.ImagejRoi
            `roifile.roiwrite` writes them as .roi or .zip files.

        Raises
        ------
        InputError
            When there is no such image.
        """
        self._check_open()
        return regions.get(place, image, self.gateway)

    @in_turn
    def set_rois(self, rois: Any, place: str = "manager", image: Any = None) -> None:
        """Put regions of interest where `rois` reads them, in place of those that are there.

        Parameters
        ----------
        rois
            One or several: `roifile.ImagejRoi`, .roi and .zip files, or ImageJ's own.
        place
            "manager", "overlay" or "selection" (one region, or none).
        image
            ImagePlus or title; left out, the active image. A Dataset gets a ROITree.

        Raises
        ------
        InputError
            When there is no such image, or what is given is no region.
        """
        self._check_open()
        regions.put(rois, place, image, self.gateway)

    @in_turn
    def table(self, table: Any = "Results") -> Table:
        """Copy a table: that of this title, or a ResultsTable or a table of SciJava.

        Raises
        ------
        InputError
            When there is no such table.
        """
        self._check_open()
        return tables.get(table)

    @in_turn
    def show_table(self, table: Table | pd.DataFrame, title: str = "Results") -> None:
        """Open a copy of a table in Fiji, in place of one with this title.

        Raises
        ------
        InputError
            When ImageJ cannot hold it.
        """
        self._check_open()
        tables.show(table, title)

    def log(self) -> str:
        """Give what ImageJ has printed: print() of macros, its log, error messages."""
        forks.check()
        return self._console.text()

    @in_turn
    def close(self) -> None:
        """Close all images but those that were open before, and free what the session holds.

        Java itself stays until the process ends.
        """
        if self.closed or forks.is_fork():
            return
        self.closed = True
        self._end.close()

    def _forget(self) -> None:
        """Have nothing left in ImageJ of what this session has opened there."""
        self._close_opened(self._found_open)
        regions.forget()
        tables.forget()
        jclass("ij.WindowManager").setTempCurrentImage(None)

    def _refresh(self) -> None:
        """Bring the menu's table up to date: a model was pinned or unpinned, a command was registered."""
        self._menu.update(commands.load_commands().values())

    def _prepare_regions(self) -> None:
        if self.headless:
            regions.ready()

    def _failure(self) -> Callable[[], BioimgError | None]:
        """Give what tells, later, what ImageJ has failed with from now on."""
        self._executor.begin()
        printed = self._console.printed

        def tell() -> BioimgError | None:
            said = self._console.last(printed)
            return self._executor.failure or (FijiError(said) if said else None)

        return tell

    def _stoppable(self) -> contextlib.AbstractContextManager[None]:
        """Have Ctrl-C stop what runs in Java meanwhile."""
        return macros.stoppable(self.on_stuck)

    def _run_text(self, text: str, argument: str, run: Run, ended: Callable[[Any], None] | None = None) -> str | None:
        if not self.headless:
            self._executor.install()  # no longer than it takes: ImageJ's other commands need not ask Python
        self._prepare_regions()
        try:
            value = macros.run_text(text, argument, self._executor, self._console, ended, self.on_stuck)
        finally:
            if not self.headless:
                self._executor.uninstall()
        if isinstance(run.failure, KeyboardInterrupt):
            raise run.failure
        return value

    def _ids(self) -> list[int]:
        return [int(number) for number in jclass("ij.WindowManager").getIDList() or ()]

    def _shown(self, run: Run) -> set[int]:
        """Give the IDs of what a command shows: the images of its result, or the active one."""
        if run.result is None:
            current = jclass("ij.WindowManager").getCurrentImage()
            return set() if current is None else {int(current.getID())}
        titles = {image.title for image in run.result.images.values()}
        return {number for number in self._ids() if str(_opened(number).getTitle()) in titles}

    def _close_opened(self, before: set[int], only: set[int] | None = None) -> None:
        """Close what is open and was not `before`; where people work at windows, `only` what is ours for certain."""
        for number in self._ids():
            if number not in before and (only is None or number in only):
                imp = _opened(number)
                imp.changes = False
                imp.close()
                imp.flush()

    def _check_open(self) -> None:
        forks.check()
        if self.closed:
            raise EndpointError("This Fiji has been closed.", fix="Call open_fiji() again.")


def _opened(number: int) -> Any:
    return jclass("ij.WindowManager").getImage(number)


def _original(cause: BioimgError, run: Run) -> BioimgError:
    """Give the very error that the command raised in Python, where `cause` is its way through Java."""
    raised = run.failure
    if raised is not None and not isinstance(raised, Exception):
        raise raised
    if isinstance(raised, BioimgError) and (raised.code, raised.message) == (cause.code, cause.message):
        return raised
    return cause
