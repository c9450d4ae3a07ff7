"""The in-process backend: what the Java plugin calls when Python opened ImageJ. No socket, no second copy of pixels."""

from __future__ import annotations

import dataclasses
import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bioimg_fiji import commands
from bioimg_fiji.client.where import run_at
from bioimg_fiji.commands import Result
from bioimg_fiji.commands.chooser import suggestions
from bioimg_fiji.commands.parameters import SERVER
from bioimg_fiji.errors import BioimgError, JobCancelledError
from bioimg_fiji.fiji.java import detach, jclass
from bioimg_fiji.fiji.on_disk import Disk
from bioimg_fiji.fiji.patience import Patience
from bioimg_fiji.fiji.plugin import check_version
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job, Live, Progress
from bioimg_fiji.progress import watched
from bioimg_fiji.remote.named import LOCAL

if TYPE_CHECKING:
    from bioimg_fiji.fiji.isolated import Isolation

_BACKENDS = "io.github.bioimgfiji.backend.Backends"
_BACKEND = "io.github.bioimgfiji.backend.Backend"
_EXCEPTION = "io.github.bioimgfiji.backend.BackendException"
_VERSIONS = "io.github.bioimgfiji.setup.Versions"
_OUTCOME = "io.github.bioimgfiji.backend.Outcome"

_log = logging.getLogger(__name__)


@dataclass
class Run:
    """What a command takes from its caller in Python and leaves for it: images that Java never sees, result, error."""

    more: Mapping[str, Image] = field(default_factory=dict)
    result: Result | None = None
    failure: BaseException | None = None


class InProcessBackend:
    """Implements the Java interface `Backend`; each public method is called by Java, on the thread of the command.

    Parameters
    ----------
    changed
        Called when the list of commands may have changed: a model was pinned.
    isolation
        Where the work of commands is done; None: in this process.
    """

    def __init__(self, changed: Callable[[], None] = lambda: None, isolation: Isolation | None = None) -> None:
        self.watcher: Job | None = None
        self._isolation = isolation
        self._changed = changed
        self._runs: dict[int, Run] = {}

    def register(self) -> None:
        """Make the plugin use this backend.

        Raises
        ------
        ProtocolError
            When plugin and package are of versions that do not fit.
        """
        import jpype

        check_version(str(jclass(_VERSIONS).plugin()))
        jclass(_BACKENDS).register(jpype.JProxy(_BACKEND, inst=self))

    def unregister(self) -> None:
        """Make the plugin use a server again."""
        jclass(_BACKENDS).unregister()

    @contextmanager
    def running(self, more: Mapping[str, Image] | None = None) -> Iterator[Run]:
        """Have the commands that this thread runs take their images from, and leave their result in, a run of its own.

        Those of other threads (the menu, jobs) go on beside it; each has one of its own.
        """
        thread = threading.get_ident()
        before = self._runs.get(thread)
        self._runs[thread] = run = Run(more or {})
        try:
            yield run
        finally:
            if before is None:
                del self._runs[thread]
            else:
                self._runs[thread] = before

    def name(self) -> str:
        """Name this backend for the log."""
        return "in-process"

    def commands(self, _: Any = None) -> str:
        """List the commands; nothing has to be started, so that the monitor has nothing to tell."""
        return str(self._guarded(lambda: json.dumps({"commands": commands.describe_all()})))

    def models(self, header: Any) -> str:
        """Tell what the models of the store are, and whether each fits the image of this header ("" for none)."""

        def look() -> str:
            found = suggestions(json.loads(str(header)) if str(header) else None)
            return json.dumps({"models": [each.to_json() for each in found]})

        return str(self._guarded(look))

    def hasImage(self, key: Any) -> bool:  # noqa: N802 - Java's name
        """Whether Python has given an image input itself; Java then looks for none among the open images."""
        name = str(key)
        run = self._runs.get(threading.get_ident())
        return run is not None and any(given == name or given.startswith(f"{name}.") for given in run.more)

    def run(self, command_id: Any, parameters: Any, images: Any, monitor: Any) -> Any:
        """Run a command; see the Java interface."""
        name, values = str(command_id), json.loads(str(parameters))
        run = self._runs.get(threading.get_ident()) or Run()
        return self._guarded(lambda: self._run(run, name, values, images, monitor), run)

    def _run(self, run: Run, name: str, values: dict[str, Any], images: Any, monitor: Any) -> Any:
        run.result, run.failure = None, None
        values |= run.more
        shown, kept = jclass("java.util.LinkedHashMap")(), {}
        with Disk(_teller(monitor, self.watcher or Job())) as disk:
            values |= {str(entry.getKey()): disk.image(entry.getValue()) for entry in images.entrySet()}
            result = self._wait(lambda job: self._work(name, values, disk, job), monitor)
            for key, image in result.images.items():
                kept[key], imp = disk.show(image)
                shown.put(key, imp)
        run.result = result = dataclasses.replace(result, images=kept)
        if name == "models":
            self._update_menu()
        return jclass(_OUTCOME)(json.dumps(result.to_json()), shown)

    def _work(self, name: str, values: dict[str, Any], disk: Disk, job: Job) -> Result:
        with disk:
            job.scratch = disk.folder
            here = str(values.get(SERVER) or LOCAL) == LOCAL
            if self._isolation is not None and here:
                result = self._isolation.run(name, values, job)
            else:
                result = run_at(commands.find(name), values, job)
            return disk.convert(result, job)

    def _update_menu(self) -> None:
        try:
            self._changed()
        except Exception:  # noqa: BLE001 - the command itself has succeeded
            _log.exception("the menu was not brought up to date")

    def _wait(self, work: Callable[[Job], Result], monitor: Any) -> Result:
        """Do the work on a thread of its own; a cancelled caller gets ImageJ back within a second."""
        with watched(self.watcher) as watcher:
            return _waited(work, monitor, watcher)

    def _guarded(self, work: Callable[[], Any], run: Run | None = None) -> Any:
        """Turn every error into a Java exception with a text: a bare Python one reaches Java with a null message."""
        import jpype

        try:
            return work()
        except jpype.JException:
            raise
        except BaseException as error:
            run = run or self._runs.get(threading.get_ident())
            if run is not None:
                run.failure = error
            if not isinstance(error, BioimgError):
                _log.exception("a command failed")
            raise jclass(_EXCEPTION)(json.dumps(_told(error).to_json())) from error


def _waited(work: Callable[[Job], Result], monitor: Any, watcher: Job) -> Result:
    def cancelled() -> bool:
        if monitor.cancelled() or watcher.cancelled:
            job.cancel()
        return job.cancelled

    def ended(error: BaseException | None) -> None:
        plain = isinstance(error, JobCancelledError) and not error.fix
        if error is not None and not plain:
            monitor.note(str(_told(error)))  # what it has kept, or why it could not
        detach()

    patience = Patience(lambda: work(job), ended)
    job = _job(monitor, watcher, patience)
    try:
        return patience.wait(cancelled)
    finally:
        if patience.left:
            job.cancel()


def _teller(monitor: Any, watcher: Job) -> Callable[[str, int, int], None]:
    """Give what tells how far pixels are copied, and stops that when the command is cancelled."""

    def tell(message: str, current: int, maximum: int) -> None:
        if monitor.cancelled() or watcher.cancelled:
            raise JobCancelledError("The command was cancelled.")
        monitor.progress(message, current, maximum, "{}")
        watcher.progress(message, current, maximum)

    return tell


def _job(monitor: Any, watcher: Job, patience: Patience[Result]) -> Job:
    """Give the job of a command: the monitor and the watcher are told while they wait, and both may end it."""
    in_window = bool(monitor.watches())

    def progress(report: Progress) -> None:
        if patience.left:
            return
        monitor.progress(report.message, report.current, report.maximum, json.dumps(report.figures))
        if monitor.cancelled():
            job.cancel()
        watcher.progress(report.message, report.current, report.maximum, **report.figures)
        if monitor.finishing() or watcher.finishing:
            job.finish()

    def note(sentence: str) -> None:
        monitor.note(sentence)
        watcher.note(sentence)

    def live(shown: Live) -> None:
        if in_window and not patience.left:
            monitor.live(json.dumps(shown.to_json()))
        watcher.show(shown)

    # NB: without a function to show it to, the work does not compute a preview.
    job = Job(progress, note, live if in_window or watcher.watched else None)
    return job


def _told(error: BaseException) -> BioimgError:
    if isinstance(error, BioimgError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return JobCancelledError("The command was interrupted.")
    if isinstance(error, MemoryError):
        return BioimgError("There is not enough memory.", fix="Use a smaller tile, or close images.")
    return BioimgError(f"The command failed: {type(error).__name__}: {error}.", fix="The log has the details.")
