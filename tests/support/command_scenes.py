"""A program that records a command's line in a real ImageJ, and replays macros there; prints what it saw as JSON.

python -m support.command_scenes SCENE IJ_JAR FOLDER [MORE]; needs a display and xdotool.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jpype

from support import real_imagej
from support.real_imagej import RealImageJ, wait


def record_and_replay(ij: RealImageJ, more: list[str]) -> dict[str, Any]:
    """Fill the dialog of BioImg Run Model while ImageJ records, save its result; then run macro files, each whole.

    MORE: the image, the model, where the dialog's result is saved, the macro files.
    """
    image, model, saved, *macros = more
    recorder = jpype.JClass("ij.plugin.frame.Recorder")
    ij.ij.doCommand("Record...")
    window = wait(recorder.getInstance, "the recorder")
    ij.ij.open(image)
    wait(ij.titles)
    before = str(window.getText())
    ij.ij.doCommand("BioImg Run Model...")
    dialog = ij.window("BioImg Run Model")
    ij.replace(ij.part(dialog, "model"), model)
    ij.click(ij.part(dialog, "expert"))
    ij.replace(ij.reach(dialog, ij.part(dialog, "tile")), "48")
    ij.click(ij.button(dialog, "OK"))
    wait(lambda: len(ij.titles()) == 2, "the result")
    wait(lambda: "BioImg Run Model" in str(window.getText()), "the line of the recorder")
    recorded = str(window.getText()).removeprefix(before)
    ij.ij.saveAsTiff(ij.manager.getImage(ij.titles()[1]), saved)
    window.close()
    ij.manager.closeAllWindows()
    ends = [_run(ij, Path(macro)) for macro in macros]
    return {"recorded": recorded, "ends": ends}


def _run(ij: RealImageJ, macro: Path) -> str:
    """Run a macro file as Plugins > Macros > Run... does; give what it returns."""
    value = jpype.JClass("ij.macro.Interpreter")().run(macro.read_text("utf-8"), "")
    ij.manager.closeAllWindows()
    return str(value)


SCENES = {"record_and_replay": record_and_replay}


if __name__ == "__main__":
    real_imagej.main(SCENES)
