"""A program that does what a user does, from the menu to the result, and prints what it saw as a line of JSON.

python -m support.user_scenes SCENE IJ_JAR FOLDER PICTURES IMAGE MODEL; needs a display and xdotool.
"""

from __future__ import annotations

import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import jpype

from support import real_imagej
from support.menu_scenes import choose
from support.real_imagej import RealImageJ, wait

TITLE = "BioImg Train Denoiser"


def picture(ij: RealImageJ, window: Any, path: Path) -> None:
    """Write what a window shows on the screen as a PNG."""
    (x, y), width, height = ij.place(window), window.getWidth(), window.getHeight()
    real_imagej.screenshot(path)
    cut = f"{width}x{height}+{x}+{y}"
    line = ["convert", str(path), "-crop", cut, "+repage", "-colors", "96", "-strip", str(path)]
    subprocess.run(line, check=False, timeout=30, capture_output=True)


class Status:
    """What the status bar says meanwhile."""

    def __init__(self, ij: RealImageJ) -> None:
        bar = ij.ij.getInstance().getStatusBar()
        self._label = next(each for each in bar.getComponents() if hasattr(each, "getText"))
        self.texts: list[str] = []
        self._going = True
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while self._going:
            text = str(self._label.getText())
            if not self.texts or self.texts[-1] != text:
                self.texts.append(text)
            time.sleep(0.01)

    def end(self) -> list[str]:
        """Give all texts, in their order."""
        self._going = False
        self._thread.join()
        return self.texts


def run(ij: RealImageJ, more: list[str]) -> dict[str, Any]:
    """Run a model by Plugins > BioImg > BioImg Run Model..."""
    (image, model), pictures = more, ij.folder
    ij.ij.open(image)
    wait(ij.titles)
    choose(ij, "Plugins", "BioImg", "BioImg Run Model...")
    window = ij.window("BioImg Run Model")
    ij.replace(ij.part(window, "model"), model)
    ij.click(ij.part(window, "expert"))
    ij.replace(ij.reach(window, ij.part(window, "tile")), "64")
    picture(ij, window, pictures / "fiji-run-dialog.png")
    status = Status(ij)
    ij.click(ij.button(window, "OK"))
    wait(lambda: any("Escape stops" in text for text in status.texts), "progress")
    wait(lambda: len(ij.titles()) == 2, "the result")
    time.sleep(0.5)
    real_imagej.screenshot(pictures / "fiji-run-result.png")
    title = ij.titles()[1]
    result = ij.manager.getImage(title)
    saved = pictures / "result.tif"
    ij.ij.saveAsTiff(result, str(saved))
    return {"title": title, "status": status.end(), "saved": str(saved)}


def train(ij: RealImageJ, more: list[str]) -> dict[str, Any]:
    """Train by Plugins > BioImg > Train > BioImg Train Denoiser..., watch the curve, press Finish now."""
    (image, model), pictures = more, ij.folder
    ij.ij.open(image)
    wait(ij.titles)
    choose(ij, "Plugins", "BioImg", "Train", f"{TITLE}...")
    dialog = ij.window(TITLE)
    ij.replace(ij.part(dialog, "model"), model)
    picture(ij, dialog, pictures / "fiji-train-dialog.png")
    ij.click(ij.part(dialog, "expert"))
    ij.click(ij.reach(dialog, ij.part(dialog, "force")))
    values = {"steps": "30000", "batch_size": "2", "patch": "32", "filters": "4", "depth": "1", "early_stop": "0"}
    for key, text in values.items():
        ij.replace(ij.reach(dialog, ij.part(dialog, key)), text)
    ij.click(ij.button(dialog, "OK"))
    window = wait(lambda: [each for each in ij.windows(TITLE) if each is not dialog and "Frame" in _kind(each)])[0]
    label = wait(lambda: real_imagej.first(window, lambda each: "loss" in _text(each)), "the loss")
    wait(lambda: "validation" in _text(label), "the validation", seconds=240)
    curves = real_imagej.first(window, lambda each: _kind(each) == "CurvesPanel")
    seen = {"first": _text(label)}
    before = _seen(ij, curves)
    wait(lambda: _seen(ij, curves) != before and _text(label) != seen["first"], "a curve that moves")
    time.sleep(3)
    seen |= {"later": _text(label), "moves": _seen(ij, curves) != before}
    picture(ij, window, pictures / "fiji-train-window.png")
    ij.click(ij.button(window, "Finish now"))
    wait(lambda: not window.isShowing(), "the end of the training")
    wait(lambda: len(ij.titles()) == 2, "the result")
    return seen | {"title": ij.titles()[1], "model": Path(model).exists()}


def evaluate(ij: RealImageJ, more: list[str]) -> dict[str, Any]:
    """Compare the active image with another open one by Plugins > BioImg > BioImg Evaluate..."""
    (image, truth), pictures = more, ij.folder
    ij.ij.open(truth)
    ij.ij.open(image)
    wait(lambda: len(ij.titles()) == 2)
    choose(ij, "Plugins", "BioImg", "BioImg Evaluate...")
    window = ij.window("BioImg Evaluate")
    combo = ij.part(window, "truth")
    choice = jpype.JProxy("java.lang.Runnable", dict={"run": lambda: combo.setSelectedItem(Path(truth).name)})
    jpype.JClass("javax.swing.SwingUtilities").invokeAndWait(choice)
    time.sleep(0.5)
    picture(ij, window, pictures / "fiji-evaluate-dialog.png")
    ij.click(ij.part(window, "expert"))
    time.sleep(0.5)
    picture(ij, window, pictures / "fiji-evaluate-expert.png")
    seen = _inside(ij, window)
    ij.click(ij.button(window, "OK"))
    return seen | {"table": _table(ij, "BioImg Evaluate - results")}


def benchmark(ij: RealImageJ, more: list[str]) -> dict[str, Any]:
    """Rank a model on a suite by Plugins > BioImg > BioImg Benchmark..."""
    (suite, model), pictures = more, ij.folder
    choose(ij, "Plugins", "BioImg", "BioImg Benchmark...")
    window = ij.window("BioImg Benchmark")
    for key, text in {"suite": suite, "model": model, "output": str(pictures / "ranked")}.items():
        ij.replace(ij.part(window, key), text)
    picture(ij, window, pictures / "fiji-benchmark-dialog.png")
    seen = _inside(ij, window)
    ij.click(ij.button(window, "OK"))
    return seen | {"table": _table(ij, f"BioImg Benchmark - {Path(suite).name}")}


def _inside(ij: RealImageJ, window: Any) -> dict[str, Any]:
    """Tell the dialog's height, and that of the screen."""
    screen = jpype.JClass("java.awt.Toolkit").getDefaultToolkit().getScreenSize()
    (x, y) = ij.place(window)
    return {"inside": x >= 0 and y >= 0 and y + window.getHeight() <= screen.height, "width": int(window.getWidth())}


def _table(ij: RealImageJ, title: str) -> list[str]:
    """Give headings and first row of a table, once it is there."""
    results = jpype.JClass("ij.measure.ResultsTable")
    table = wait(lambda: results.getResultsTable(title), title)
    return [str(table.getColumnHeadings()), str(table.getRowAsString(0))]


def _kind(part: Any) -> str:
    return str(part.getClass().getSimpleName())


def _text(part: Any) -> str:
    return str(part.getText()) if _kind(part) == "JLabel" else ""


def _seen(ij: RealImageJ, part: Any) -> bytes:
    """Give the pixels of a component on the screen."""
    rectangle = jpype.JClass("java.awt.Rectangle")(*ij.place(part), part.getWidth(), part.getHeight())
    picture = jpype.JClass("java.awt.Robot")().createScreenCapture(rectangle)
    pixels = picture.getRGB(0, 0, picture.getWidth(), picture.getHeight(), None, 0, picture.getWidth())
    return bytes(memoryview(pixels).cast("B"))


SCENES = {"run": run, "train": train, "evaluate": evaluate, "benchmark": benchmark}

if __name__ == "__main__":
    real_imagej.main(SCENES)
