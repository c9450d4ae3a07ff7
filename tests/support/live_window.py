"""A program that works the window of a training as a user would, and prints what it saw as one line of JSON.

python -m support.live_window SCENE [FOLDER]; needs a display.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bioimg_fiji import commands
from bioimg_fiji.commands import Result
from bioimg_fiji.commands.parameters import ImageInput, Parameters, key
from bioimg_fiji.errors import JobCancelledError
from bioimg_fiji.fiji import Fiji, open_fiji
from bioimg_fiji.fiji.java import jclass
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job, Live, Preview

TITLE = "BioImg Learn in Test..."
SECONDS = 30.0
KEPT = "A checkpoint is kept."
_state: dict[str, Any] = {"released": threading.Event(), "ended": threading.Event(), "told": threading.Event()}


class Learn(Parameters):
    """Parameters of the command."""

    image: ImageInput = key(title="Image", help="What to learn from.")
    steps: int = key(100_000, title="Steps", help="How long.")


def learn(parameters: Learn, job: Job) -> Result:
    """Learn nothing: a step is a pause, curves and pictures are made up."""
    before, after = np.arange(192, dtype="<f4").reshape(12, 16), np.full((12, 16), 100, "<f4")
    curves: dict[str, list[tuple[float, float]]] = {"loss": [], "validation": []}
    done = 0
    try:
        while done < parameters.steps and not job.finishing and not _state["released"].is_set():
            done += 1
            curves["loss"].append((done, 1 / done))
            curves["validation"].append((done, 1.5 / done))
            job.progress("Learning", done, parameters.steps, loss=1 / done, validation=1.5 / done, seconds_left=75)
            preview = Preview(done, ("before", "after"), before.shape, (10, 150), (before.tobytes(), after.tobytes()))
            job.show(Live(curves, preview, finishable=True))
            time.sleep(0.02)
        if job.finishing:
            _state["told"].set()
            _state["released"].wait(SECONDS)
        return Result(figures={"steps": done, "watched": job.watched, "finished": job.finishing})
    except JobCancelledError as cancelled:
        cancelled.fix = KEPT
        raise
    finally:
        _state["ended"].set()


def wait(condition: Callable[[], Any]) -> Any:
    """Wait until a condition holds, and give its value."""
    end = time.monotonic() + SECONDS
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError("what was waited for did not come")
        time.sleep(0.02)
    return value


def windows(kind: str) -> list[Any]:
    """Give the windows on the screen whose class has this name."""
    found = jclass("java.awt.Window").getWindows()
    return [each for each in found if each.isShowing() and str(each.getClass().getSimpleName()) == kind]


def on_events(work: Callable[[], Any]) -> Any:
    """Do something on the event dispatch thread, and give its value."""
    import jpype

    value: list[Any] = []
    run = jpype.JProxy("java.lang.Runnable", dict={"run": lambda: value.append(work())})
    jclass("javax.swing.SwingUtilities").invokeAndWait(run)
    return value[0]


def parts(window: Any, kind: str) -> list[Any]:
    """Give the components of a window, of this class, in their order."""
    found: list[Any] = []
    for each in window.getComponents():
        if str(each.getClass().getSimpleName()) == kind:
            found.append(each)
        if hasattr(each, "getComponents"):
            found += parts(each, kind)
    return found


def press(window: Any, text: str) -> None:
    """Press a button, without waiting for what comes of it."""
    import jpype

    (button,) = (each for each in parts(window, "JButton") if str(each.getText()) == text)
    jclass("javax.swing.SwingUtilities").invokeLater(jpype.JProxy("java.lang.Runnable", dict={"run": button.doClick}))


def post(event: Any) -> None:
    """Send an event as the window system does."""
    jclass("java.awt.Toolkit").getDefaultToolkit().getSystemEventQueue().postEvent(event)


def close(window: Any) -> None:
    """Close a window by its frame."""
    kind = jclass("java.awt.event.WindowEvent")
    post(kind(window, kind.WINDOW_CLOSING))


def escape(window: Any) -> None:
    """Press Escape in a window."""
    kind = jclass("java.awt.event.KeyEvent")
    target = window.getContentPane()
    letter = kind.CHAR_UNDEFINED
    event = kind(target, kind.KEY_PRESSED, jclass("java.lang.System").currentTimeMillis(), 0, kind.VK_ESCAPE, letter)
    jclass("javax.swing.SwingUtilities").invokeLater(_runnable(lambda: target.dispatchEvent(event)))


def _runnable(work: Callable[[], Any]) -> Any:
    import jpype

    return jpype.JProxy("java.lang.Runnable", dict={"run": lambda: work() and None})


def status(window: Any) -> str:
    """Give the status line."""
    return str(parts(window, "JLabel")[0].getText())


def start_by_dialog() -> Any:
    """Run the command from the menu, say OK in its dialog, and give the window when it shows all."""
    jclass("ij.IJ").doCommand(TITLE)
    (dialog,) = wait(lambda: windows("JDialog"))
    press(dialog, "OK")
    wait(lambda: not windows("JDialog"))
    return shown()


def start_by_macro(text: str) -> tuple[Any, threading.Thread]:
    """Run the command from a macro; give the window, and the thread of the macro."""

    def run() -> None:
        # NB: ImageJ stops a macro only on threads of such a name, which it gives to its own.
        jclass("java.lang.Thread").currentThread().setName("Test_Macro$")
        jclass("ij.IJ").runMacro(text)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return shown(), thread


def shown() -> Any:
    """Give the window, when it shows a loss."""
    (window,) = wait(lambda: windows("LiveFrame"))
    wait(lambda: "loss" in status(window))
    return window


def left() -> list[str]:
    """Give the windows that must not be there after the end."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and (windows("LiveFrame") or windows("JDialog")):
        time.sleep(0.02)
    return [str(each.getTitle()) for kind in ("LiveFrame", "JDialog") for each in windows(kind)]


def described(window: Any) -> list[dict[str, Any]]:
    """Give what each button says of itself, and whether it is wide enough for its text."""
    return [
        {
            "text": str(each.getText()),
            "help": str(each.getToolTipText()),
            "name": str(each.getAccessibleContext().getAccessibleName()),
            "mnemonic": chr(each.getMnemonic()),
            "fits": bool(each.getWidth() >= each.getPreferredSize().width),
            "enabled": bool(each.isEnabled()),
        }
        for each in parts(window, "JButton")
    ]


def finish(fiji: Fiji) -> dict[str, Any]:
    """From the dialog: look at all, open curves and preview, refuse to stop twice, finish."""
    window = start_by_dialog()
    seen: dict[str, Any] = {"title": str(window.getTitle()), "status": status(window), "buttons": described(window)}
    press(window, "Open curves")
    press(window, "Open preview")
    manager = jclass("ij.WindowManager")
    titles = wait(lambda: [t for t in fiji.images() if "preview" in t] and fiji.images())
    seen["opened"] = sorted(title.rsplit(" at step ")[0] for title in titles)
    image = manager.getImage(next(title for title in titles if "preview" in title))
    seen["preview"] = [
        image.getStackSize(),
        image.getBitDepth(),
        image.getDisplayRangeMin(),
        image.getDisplayRangeMax(),
    ]
    seen["labels"] = [str(image.getStack().getSliceLabel(index)) for index in (1, 2)]
    seen["plot"] = str(next(iter(windows("PlotWindow"))).getPlot().getLabel("y"))
    for question, ask in (("closing", close), ("escape", escape)):
        ask(window)
        (dialog,) = wait(lambda: windows("JDialog"))
        seen[question] = [str(each.getText()) for each in parts(dialog, "JButton")]
        close(dialog)
        wait(lambda: not windows("JDialog"))
    seen["goes_on"] = not _state["ended"].is_set() and bool(window.isShowing())
    press(window, "Finish now")
    wait(lambda: parts(window, "JButton")[0].getText() == "Finishing...")
    wait(lambda: described(window)[0]["fits"])  # its text is longer: it is laid out anew a little later
    seen["after"] = [(each["text"], each["enabled"], each["fits"]) for each in described(window)]
    close(window)
    wait(lambda: windows("JDialog"))  # and it goes with the window
    _state["told"].wait(SECONDS)
    _state["released"].set()
    _state["ended"].wait(SECONDS)
    return seen | {"figures": wait(last_figures), "left": left()}


def last_figures() -> dict[str, Any]:
    """Give the figures of the last command, as macros get them."""
    lines = str(jclass("io.github.bioimgfiji.BioImg").figures()).splitlines()
    return {name: json.loads(value) for name, value in (line.split("=", 1) for line in lines)}


def hide(fiji: Fiji) -> dict[str, Any]:
    """From a macro: closing the window closes the window only."""
    window, thread = start_by_macro(f'run("{TITLE}", "steps=100000");')
    close(window)
    gone = left()
    running = not _state["ended"].is_set()
    _state["released"].set()
    thread.join(SECONDS)
    return {"left": gone, "running": running, "figures": wait(last_figures)}


def cancel(fiji: Fiji) -> dict[str, Any]:
    """From a macro: Cancel stops the command, and the macro with it; the log tells what is kept."""
    window, thread = start_by_macro(f'run("{TITLE}", "steps=100000"); call("java.lang.System.setProperty", "on", "1");')
    press(window, "Cancel")
    thread.join(SECONDS)
    went_on = jclass("java.lang.System").getProperty("on") is not None
    log = str(jclass("ij.IJ").getLog()).strip()
    return {"left": left(), "result": bool(last_figures()), "went_on": went_on, "log": log}


def choose(_: Fiji) -> dict[str, Any]:
    """In a training's dialog: choose a folder in its list, a file, and a folder that was entered; then nothing."""
    import jpype

    folder = Path(sys.argv[2])
    jclass("ij.io.OpenDialog").setDefaultDirectory(str(folder))
    jclass("ij.IJ").doCommand("BioImg Train Restoration...")
    (dialog,) = wait(lambda: windows("JDialog"))
    fields = {str(each.getName()): each for each in parts(dialog, "JTextField")}
    source, target = fields["source"], fields["target_source"]
    file = jclass("java.io.File")
    flavor = jclass("java.awt.datatransfer.DataFlavor").javaFileListFlavor
    dropped = jpype.JProxy(
        "java.awt.datatransfer.Transferable",
        dict(
            getTransferDataFlavors=lambda: jpype.JArray(jclass("java.awt.datatransfer.DataFlavor"))([flavor]),
            isDataFlavorSupported=lambda asked: asked.equals(flavor),
            getTransferData=lambda _: jclass("java.util.Arrays").asList(file("/dropped/a b.tif")),
        ),
    )
    support = jclass("javax.swing.TransferHandler$TransferSupport")
    took = on_events(lambda: source.getTransferHandler().importData(support(source, dropped)))
    seen = {"drops": [bool(took), str(source.getText())]}
    for what, field, act in (
        ("listed", source, lambda chooser: chooser.setSelectedFile(file(str(folder / "cells.zarr")))),
        ("file", target, lambda chooser: chooser.setSelectedFile(file(str(folder / "list.txt")))),
        ("entered", target, lambda chooser: chooser.setCurrentDirectory(file(str(folder / "cells.zarr")))),
        ("nothing", target, None),
    ):
        before = str(field.getText())
        _browse(field, act)
        if act is not None:
            wait(lambda field=field, before=before: str(field.getText()) not in ("", before))
        seen[what] = str(field.getText())
    seen["next"] = str(jclass("ij.io.OpenDialog").getDefaultDirectory())
    return seen


def _browse(field: Any, act: Callable[[Any], Any] | None) -> None:
    """Press a field's browse button and act in what it opens; None presses Cancel there."""
    press(field.getParent(), "Browse...")
    window = wait(lambda: [each for each in windows("JDialog") if parts(each, "JFileChooser")])[0]
    (chooser,) = parts(window, "JFileChooser")
    if act is not None:
        on_events(lambda: act(chooser))
    press(window, "Cancel" if act is None else "Choose")
    wait(lambda: not window.isShowing())


def batch(fiji: Fiji) -> dict[str, Any]:
    """In batch mode there is no window, and no preview is made for it."""
    jclass("ij.IJ").runMacro(f'setBatchMode(true); run("{TITLE}", "steps=20");')
    return {"left": left(), "figures": last_figures()}


def main() -> None:
    """Play the scene that is named."""
    commands.load_commands()
    commands.command(id="learn_in_test", title=TITLE, menu="Plugins>BioImg")(learn)
    scene = {"finish": finish, "hide": hide, "cancel": cancel, "batch": batch, "choose": choose}[sys.argv[1]]
    with open_fiji("embedded", headless=False) as fiji:
        fiji.show(Image(np.zeros((20, 20), np.uint8), "yx", title="cells.tif"))
        try:
            print(json.dumps(scene(fiji)), flush=True)
        finally:
            _state["released"].set()
            # NB: windows that a failure leaves open would keep Java from ending.
            sys.stderr.flush()
            os._exit(1 if sys.exc_info()[0] else 0)


if __name__ == "__main__":
    main()
