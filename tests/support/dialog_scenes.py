"""A program that works the dialogs of a real ImageJ by mouse and keyboard, and prints what it saw as a line of JSON.

python -m support.dialog_scenes SCENE IJ_JAR FOLDER [MORE]; needs a display and xdotool.
"""

from __future__ import annotations

import time
from typing import Any

from support import real_imagej
from support.real_imagej import RealImageJ, wait


def note(ij: RealImageJ, window: Any, key: str) -> str:
    """Give the sentence below a field, without its HTML; "" where none is seen."""
    label = ij.part(window, f"note {key}")
    text = str(label.getText() or "")
    return text.split("'>", 1)[-1].removesuffix("</body></html>") if label.isVisible() else ""


def colour(field: Any) -> str:
    """Say whether a field is red."""
    back = field.getBackground()
    return "red" if back.getRed() - back.getGreen() > 20 else "usual"


def open_image(ij: RealImageJ, title: str, kind: str = "16-bit ramp") -> None:
    """Open an image."""
    ij.ij.createImage(title, kind, 64, 64, 1).show()
    wait(lambda: title in ij.titles())


def fields(ij: RealImageJ, _: list[str]) -> dict[str, Any]:
    """In the dialog of a training: ranges while they are typed, the expert section, help, images of one title."""
    for _number in range(2):
        open_image(ij, "cells.tif")
    ij.ij.doCommand("BioImg Train Restoration...")
    window = ij.window("BioImg Train Restoration")
    toggle = ij.part(window, "expert")
    seen: dict[str, Any] = {"toggle": [str(toggle.getText())], "heights": [window.getHeight()]}
    target = ij.part(window, "target")
    seen["images"] = [str(target.getItemAt(index)) for index in range(target.getItemCount())]
    seen["ids"] = sorted(int(each) for each in ij.manager.getIDList())
    ij.click(toggle)
    wait(lambda: window.getHeight() > seen["heights"][0])
    seen["toggle"].append(str(toggle.getText()))
    patch = ij.part(window, "patch")
    seen["patch"] = [colour(patch)]
    for text in ("5", "5x", "64"):
        ij.replace(patch, text)
        seen["patch"].append([colour(patch), note(ij, window, "patch")])
    ij.click(ij.part(window, "help patch"))
    wait(lambda: note(ij, window, "patch"))
    seen["help"] = note(ij, window, "patch")
    ij.replace(patch, "5")
    ij.click(ij.button(window, "OK"))
    model = ij.part(window, "model")
    wait(model.isFocusOwner, "the keyboard in the first wrong field")
    seen["refused"] = [bool(window.isShowing()), colour(model), note(ij, window, "model")]
    ij.click(ij.button(window, "Reset"))
    wait(lambda: str(patch.getText()) == "64")
    seen["reset"] = [colour(patch), colour(model)]
    ij.click(toggle)
    wait(lambda: str(toggle.getText()) == "Show expert settings")
    ij.click(model)
    ij.key("Escape")
    wait(lambda: not window.isShowing(), "the end of the dialog")
    return seen


def chooser(ij: RealImageJ, _: list[str]) -> dict[str, Any]:
    """In the dialog of BioImg Run Model: what is told of the store's two models, beside an image of one plane."""
    open_image(ij, "cells.tif")
    ij.ij.doCommand("BioImg Run Model...")
    window = ij.window("BioImg Run Model")
    names, about = ij.part(window, "model"), ij.part(window, "about model")
    wait(lambda: "cells.tif" in str(about.getText()), "what is known of the model")
    seen = {"first": [str(names.getSelectedItem()), _plain(about), colour_of_text(about)]}
    ij.click(names)
    ij.key("Down", "Return")
    wait(lambda: _plain(about) != seen["first"][1])
    seen["second"] = [str(names.getSelectedItem()), _plain(about), colour_of_text(about)]
    ij.click(ij.button(window, "Cancel"))
    return seen


def colour_of_text(label: Any) -> str:
    """Say whether a text is red."""
    front = label.getForeground()
    return "red" if front.getRed() - front.getGreen() > 20 else "usual"


def _plain(label: Any) -> str:
    return str(label.getText()).split("'>", 1)[-1].removesuffix("</body></html>")


def remember(ij: RealImageJ, more: list[str]) -> dict[str, Any]:
    """Run a model with a value that is not the default, and end ImageJ as its menu does."""
    open_image(ij, "cells.tif")
    ij.ij.doCommand("BioImg Run Model...")
    window = ij.window("BioImg Run Model")
    ij.replace(ij.part(window, "model"), more[0])
    ij.click(ij.part(window, "expert"))
    ij.replace(ij.part(window, "tile"), "48")
    ij.click(ij.button(window, "OK"))
    wait(lambda: "cells-denoised" in ij.titles(), "the result")
    return {"titles": ij.titles()}


def again(ij: RealImageJ, more: list[str]) -> dict[str, Any]:
    """See what the next ImageJ knows of it, in the dialog of the menu and in one that a macro opens; then reset."""
    open_image(ij, "cells.tif")
    seen: dict[str, Any] = {}
    ij.ij.doCommand("BioImg Run Model...")
    window = ij.window("BioImg Run Model")
    tile, model = ij.part(window, "tile"), ij.part(window, "model")
    seen["last"] = [str(model.getText()), str(tile.getText()), bool(tile.isShowing())]
    ij.click(ij.button(window, "Reset"))
    wait(lambda: str(tile.getText()) == "0")
    seen["reset"] = [str(model.getText()), str(tile.getText())]
    ij.click(ij.button(window, "Cancel"))
    wait(lambda: not window.isShowing(), "the end of the dialog")
    ij.ij.doCommand("BioImg Run Model...")
    window = ij.window("BioImg Run Model")
    seen["after"] = [str(ij.part(window, name).getText()) for name in ("model", "tile")]
    ij.click(ij.button(window, "Cancel"))
    return seen


def starting(ij: RealImageJ, _: list[str]) -> dict[str, Any]:
    """While a server starts that never will: the status bar tells it, and Escape ends it."""
    ij.ij.doCommand("BioImg Models...")
    status = ij.ij.getInstance().getStatusBar()
    label = wait(lambda: [each for each in status.getComponents() if "Starting" in str(_text(each))], "the status")[0]
    wait(lambda: ", 2 s" in _text(label), "a status that moves")
    seen = {"status": _text(label)}
    ij.click(label)
    begin = time.monotonic()
    ij.key("Escape")
    wait(lambda: "cancelled" in _text(label), "the end")
    return seen | {"end": _text(label), "quick": time.monotonic() - begin < 3}


def _text(part: Any) -> str:
    return str(part.getText()) if hasattr(part, "getText") else ""


SCENES = {"fields": fields, "chooser": chooser, "remember": remember, "again": again, "starting": starting}


if __name__ == "__main__":
    real_imagej.main(SCENES, quits=["remember"])
