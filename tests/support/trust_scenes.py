"""A program that opens the dialogs of trust in a real ImageJ, and runs a model on what it does not fit; tells as JSON.

python -m support.trust_scenes SCENE IJ_JAR FOLDER MORE; needs a display and xdotool. Its pictures, in FOLDER, are those
of the documentation.
"""

from __future__ import annotations

import time
from typing import Any

import jpype

from support import real_imagej
from support.real_imagej import RealImageJ, first, wait
from support.user_scenes import picture

DIALOGS = {
    "run": "BioImg Run Model",
    "error-map": "BioImg Error Map",
    "explain": "BioImg Explain",
    "calibrate": "BioImg Calibrate Confidence",
}


def dialogs(ij: RealImageJ, more: list[str]) -> dict[str, Any]:
    """Open each dialog beside two images, with its expert settings; see that all of it can be reached and read.

    MORE: the images. The model is the first one of the store.
    """
    for image in more:
        ij.ij.open(image)
    wait(lambda: len(ij.titles()) == len(more))
    seen = {}
    for name, title in DIALOGS.items():
        ij.ij.doCommand(f"{title}...")
        window = ij.window(title)
        if name == "error-map":
            _choose(ij.part(window, "raw"), ij.titles()[0])
        else:
            about = ij.part(window, "about model")
            wait(lambda about=about: "It fits" in str(about.getText()), "what is known of the model")
        time.sleep(0.5)
        picture(ij, window, ij.folder / f"fiji-{name}-dialog.png")
        plain = _room(ij, window)
        ij.click(ij.part(window, "expert"))
        wait(lambda window=window, plain=plain: int(window.getHeight()) > plain["height"], "the expert settings")
        time.sleep(0.5)
        picture(ij, window, ij.folder / f"fiji-{name}-expert.png")
        seen[name] = {"plain": plain, "expert": _room(ij, window), "cut": _cut(window), "fields": _fields(window)}
        ij.click(ij.button(window, "Cancel"))
        wait(lambda window=window: not window.isShowing(), "the end of the dialog")
    return seen


def misfit(ij: RealImageJ, more: list[str]) -> dict[str, Any]:
    """Run a model on an image unlike those of its training; MORE: the image, the model. Tells what the log says."""
    image, model = more
    ij.ij.open(image)
    wait(ij.titles)
    ij.ij.run("BioImg Run Model...", f"model=[{model}]")
    wait(lambda: len(ij.titles()) == 2, "the result")
    log = ij.window("Log")
    log.setSize(900, 180)
    log.setLocation(5, 500)
    time.sleep(1)
    picture(ij, log, ij.folder / "fiji-fit-log.png")
    table = wait(lambda: jpype.JClass("ij.measure.ResultsTable").getResultsTable("BioImg Run Model - fit"), "the table")
    row = {str(name): str(table.getStringValue(str(name), 0)) for name in table.getHeadings()}
    return {"log": str(ij.ij.getLog()), "row": row}


def _choose(combo: Any, title: str) -> None:
    """Select an image by its title, on the thread of the windows."""
    choice = jpype.JProxy("java.lang.Runnable", dict={"run": lambda: combo.setSelectedItem(title)})
    jpype.JClass("javax.swing.SwingUtilities").invokeAndWait(choice)


def _room(ij: RealImageJ, window: Any) -> dict[str, Any]:
    """Tell a window's size, and whether all of it is on the screen."""
    screen = jpype.JClass("java.awt.Toolkit").getDefaultToolkit().getScreenSize()
    (x, y), width, height = ij.place(window), int(window.getWidth()), int(window.getHeight())
    inside = x >= 0 and y >= 0 and x + width <= int(screen.width) and y + height <= int(screen.height)
    return {"inside": inside, "width": width, "height": height}


def _parts(part: Any) -> list[Any]:
    """Give a component and all within it."""
    children = part.getComponents() if hasattr(part, "getComponents") else ()
    return [part, *(each for child in children for each in _parts(child))]


def _cut(window: Any) -> list[str]:
    """Give the visible texts and fields of a form that are narrower than what they hold, or reach over its border."""
    pane = first(window, lambda each: isinstance(each, jpype.JClass("javax.swing.JScrollPane")))
    width = int(pane.getViewport().getWidth())
    utilities = jpype.JClass("javax.swing.SwingUtilities")
    found = []
    for each in _parts(pane.getViewport().getView()):
        if not each.isShowing() or each is pane.getViewport().getView():
            continue
        right = int(utilities.convertPoint(each, int(each.getWidth()), 0, pane.getViewport()).x)
        texts = isinstance(each, (jpype.JClass("javax.swing.JLabel"), jpype.JClass("javax.swing.AbstractButton")))
        if right > width or (texts and int(each.getWidth()) < int(each.getMinimumSize().width)):
            text = each.getText() if hasattr(each, "getText") else each.getName()
            found.append(f"{each.getClass().getSimpleName()} {text}")
    return found


def _fields(window: Any) -> list[str]:
    """Give the names of the fields, from top to bottom."""
    names = [str(each.getName()) for each in _parts(window) if each.getName() is not None]
    return [name.removeprefix("help ") for name in names if name.startswith("help ")]


SCENES = {"dialogs": dialogs, "misfit": misfit}

if __name__ == "__main__":
    real_imagej.main(SCENES)
