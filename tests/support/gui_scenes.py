"""A program that works ImageJ's own windows as a user would, and prints what it saw as one line of JSON.

python -m support.gui_scenes SCENE; needs a display.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

import numpy as np

from bioimg_fiji import commands
from bioimg_fiji.commands import Result
from bioimg_fiji.commands.parameters import ImageInput, Parameters, key
from bioimg_fiji.errors import BioimgError, ParameterError
from bioimg_fiji.fiji import Fiji, open_fiji
from bioimg_fiji.fiji.java import jclass
from bioimg_fiji.image import Image
from bioimg_fiji.jobs import Job
from support import shown
from support.live_window import on_events, parts, post, press, wait, windows

WITH_IMAGE, WITHOUT = "BioImg Tint in Test...", "BioImg Tell in Test..."
MODES = ("Macro", "JavaScript", "BeanShell", "Python", "Java")
SECONDS = 30.0


class Tint(Parameters):
    """Parameters of the command that takes an image."""

    image: ImageInput = key(title="Image", help="The image.")
    strength: float = key(0.5, ge=0, le=1, title="Strength", help="How strong.")
    name: str | None = key(None, title="Name", help="A word, or none.")
    fast: bool = key(False, title="Fast", expert=True, help="Quickly.")


class Tell(Parameters):
    """Parameters of the command that takes none."""

    text: str = key("a [b] c", title="Text", help="What is told.")
    number: int | None = key(None, title="Number", help="A number, or none.")


def tint(parameters: Tint, job: Job) -> Result:
    """Refuse the strength 1."""
    if parameters.strength == 1:
        raise ParameterError.of("strength", "below 1", "1")
    return Result(figures={"strength": parameters.strength})


def tell(parameters: Tell, job: Job) -> Result:
    """Tell nothing."""
    return Result()


def java_threads() -> list[str]:
    """Give the names of Java's threads; a command of the menu has one of its name."""
    return [str(thread.getName()) for thread in jclass("java.lang.Thread").getAllStackTraces().keySet()]


def say_ok() -> None:
    """Press OK in the dialog that is open, or about to be."""
    dialog = wait(lambda: windows("GenericDialog") or windows("JDialog"))[0]
    time.sleep(0.5)  # a dialog that is closed while it opens waits for ever
    if hasattr(dialog, "getButtons"):
        kind = jclass("java.awt.event.ActionEvent")
        ok = dialog.getButtons()[0]
        post(kind(ok, kind.ACTION_PERFORMED, ok.getActionCommand()))
    else:
        press(dialog, "OK")
    wait(lambda: not windows("GenericDialog") and not windows("JDialog"))


def recorder(_: Fiji) -> dict[str, Any]:
    """Record both commands in each language that ImageJ's recorder has; run what it wrote as a macro again."""
    jclass("ij.IJ").run("Record...")
    window = wait(jclass("ij.plugin.frame.Recorder").getInstance)
    (choice,) = parts(window.getComponent(0), "Choice") or parts(window, "Choice")
    kind = jclass("java.awt.event.ItemEvent")
    seen: dict[str, Any] = {"modes": [str(choice.getItem(index)) for index in range(choice.getItemCount())]}
    area = parts(window, "TextArea")[0]
    for mode in seen["modes"]:
        on_events(lambda mode=mode: choice.select(mode))  # type: ignore[misc]
        post(kind(choice, kind.ITEM_STATE_CHANGED, mode, kind.SELECTED))
        lines = []
        for title in (WITH_IMAGE, WITHOUT):
            on_events(lambda: area.setText(""))
            wait(lambda: not str(area.getText()))
            jclass("ij.IJ").doCommand(title)
            say_ok()
            lines.append(wait(lambda: str(area.getText()).strip()))
            # NB: at its end ImageJ records the command that was started last, whichever ends.
            wait(lambda title=title: title not in java_threads())  # type: ignore[misc]
        seen[mode] = lines
    on_events(window.close)
    return seen


def threads(fiji: Fiji) -> dict[str, Any]:
    """A failing command stops its macro on any thread; ImageJ's error dialog tells it, Python gets an exception."""
    seen: dict[str, Any] = {}
    system = jclass("java.lang.System")

    def macro(name: str) -> str:
        return (
            f'run("{WITH_IMAGE}", "strength=1"); call("java.lang.System.setProperty", "on.{name}", "1"); return "end";'
        )

    def on_java(name: str) -> None:
        import jpype

        def run() -> None:
            jclass("ij.IJ").runMacro(macro(name))

        thread = jclass("java.lang.Thread")(jpype.JProxy("java.lang.Runnable", dict={"run": run}), name)
        thread.start()
        seen[f"{name}_told"] = _close_error()
        thread.join(int(SECONDS * 1000))

    def on_python(name: str) -> None:
        thread = threading.Thread(target=lambda: jclass("ij.IJ").runMacro(macro(name)), name=name)
        thread.start()
        seen[f"{name}_told"] = _close_error()
        thread.join(SECONDS)

    on_java("worker-7")
    on_java("My_Macro$")
    on_python("python-thread")
    for name, run in (("run_macro", lambda: fiji.run_macro(macro("run_macro"))), ("run", _run_wrong(fiji))):
        try:
            run()
        except BioimgError as error:
            seen[name] = str(error)
    names = ("worker-7", "My_Macro$", "python-thread", "run_macro")
    seen["went_on"] = [name for name in names if system.getProperty(f"on.{name}")]
    seen["locked"] = bool(jclass("ij.WindowManager").getCurrentImage().isLocked())
    seen["windows"] = [str(each.getTitle()) for each in windows("TextWindow")]
    return seen


def _run_wrong(fiji: Fiji) -> Any:
    return lambda: fiji.run(WITH_IMAGE, strength=1)


def _close_error() -> str:
    """Read the error dialog, and close it."""
    dialog = wait(lambda: windows("GenericDialog") or windows("MessageDialog"))[0]
    field = jclass("ij.gui.MultiLineLabel").class_.getDeclaredField("lines")
    field.setAccessible(True)
    text = " ".join(str(line) for label in parts(dialog, "MultiLineLabel") for line in field.get(label))
    kind = jclass("java.awt.event.WindowEvent")
    post(kind(dialog, kind.WINDOW_CLOSING))
    wait(lambda: not windows("GenericDialog") and not windows("MessageDialog"))
    return text


def main() -> None:
    """Play the scene that is named."""
    commands.load_commands()
    commands.command(id="tint_in_test", title=WITH_IMAGE, menu="Plugins>BioImg")(tint)
    commands.command(id="tell_in_test", title=WITHOUT, menu="Plugins>BioImg")(tell)
    scene = {"recorder": recorder, "threads": threads}[sys.argv[1]]
    with open_fiji("embedded", headless=False) as fiji:
        fiji.show(Image(np.zeros((20, 20), np.uint8), "yx", title="cells.tif"))
        shown.tell(lambda: scene(fiji))


if __name__ == "__main__":
    main()
