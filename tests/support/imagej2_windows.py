"""Our commands in the windows of a real ImageJ2, found and run as its search bar does it; prints what was seen as JSON.

python -m support.imagej2_windows MODEL; needs a display.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

import jpype
import numpy as np

from bioimg_fiji import commands
from bioimg_fiji.fiji import Fiji, convert, datasets, open_fiji
from bioimg_fiji.fiji.java import jclass
from bioimg_fiji.image import Image
from support import shown
from support.endpoints import ENDPOINT
from support.gui_scenes import java_threads, say_ok
from support.live_window import on_events, parts, post, wait

RUN_MODEL = "bioimg:run_model"
MODULES = "org.scijava.search.module.ModuleSearcher"
CELLS = "cells.tif"


class SearchBar:
    """What stands behind ImageJ2's search bar."""

    def __init__(self, fiji: Fiji) -> None:
        self._service = fiji.gateway.get("org.scijava.search.SearchService")

    def results(self, text: str) -> list[Any]:
        """Give what it lists among the commands."""
        done = threading.Event()
        found: list[Any] = []

        def completed(event: Any) -> None:
            if str(event.searcher().getClass().getName()) == MODULES:
                found.extend(event.results())
                done.set()

        listener = jpype.JProxy("org.scijava.search.SearchListener", dict={"searchCompleted": completed})
        operation = self._service.search(listener)
        operation.search(text)
        assert done.wait(30), "the search did not end"
        operation.terminate()
        return found

    def run(self, title: str) -> None:
        """Press Run of the one command with this title."""
        (result,) = (each for each in self.results(title) if str(each.name()) == title)
        (action,) = (each for each in self._service.actions(result) if str(each) == "Run")
        action.run()


def pin(fiji: Fiji, model: str) -> str:
    """Add a model and pin it, by commands of SciJava; give the title that it has then."""
    for action, source in (("add", model), ("pin", "fake-model")):
        fiji.gateway.command().run("bioimg:models", True, "action", action, "source", source).get()
    (title,) = (each.title for each in commands.load_commands().values() if each.title.startswith("BioImg: "))
    return title


def record(bar: SearchBar, title: str) -> list[str]:
    """Run a command from the search bar, say OK to its dialog, and give what ImageJ's recorder wrote."""
    jclass("ij.IJ").run("Record...")
    window = wait(jclass("ij.plugin.frame.Recorder").getInstance)
    choice = parts(window, "Choice")[0]
    kind = jclass("java.awt.event.ItemEvent")
    on_events(lambda: choice.select("Macro"))
    post(kind(choice, kind.ITEM_STATE_CHANGED, "Macro", kind.SELECTED))
    area = parts(window, "TextArea")[0]
    on_events(lambda: area.setText(""))
    wait(lambda: not str(area.getText()))
    bar.run(title)
    say_ok()
    wait(lambda: title not in java_threads())
    lines = wait(lambda: str(area.getText()).strip().splitlines())
    on_events(window.close)
    return [str(line) for line in lines]


def take_result() -> Image:
    """Give the image that has come, and close it."""
    manager = jclass("ij.WindowManager")
    (title,) = wait(lambda: [str(each) for each in manager.getImageTitles() if str(each) != CELLS])
    imp = manager.getImage(title)
    image = convert.to_image(imp)
    imp.changes = False
    imp.close()
    return image


def look(fiji: Fiji, model: str) -> dict[str, Any]:
    """Search, run on both kinds of image, pin, run what was pinned, and what was recorded of that."""
    bar, outputs = SearchBar(fiji), {}
    titles = [each.title for each in commands.load_commands().values()]
    found = [str(each.name()) for each in bar.results("BioImg")]
    image = Image(np.random.default_rng(8).random((40, 50), np.float32), "yx", title=CELLS)
    expected = fiji.run("BioImg Run Model...", image, model=model).images["output"].pixels
    for kind, given in (("ImagePlus", fiji.to_fiji(image)), ("Dataset", datasets.to_dataset(fiji.gateway, image))):
        module = fiji.gateway.command().run(RUN_MODEL, True, "image", given, "model", model).get()
        outputs[kind] = convert.to_image(module.getOutput("output"))
    fiji.run_macro('close("*");')
    fiji.show(image)
    title = pin(fiji, model)
    lines = record(bar, title)
    outputs["pinned"] = take_result()
    fiji.run_macro("\n".join(lines))
    outputs["recorded"] = take_result()
    return {
        "counts": {name: found.count(name) for name in titles},
        "title": title,
        "lines": lines,
        "same": {name: np.array_equal(each.pixels, expected) for name, each in outputs.items()},
        "changed": not np.array_equal(image.pixels, expected),
    }


def main(model: str) -> None:
    """Print what was seen."""
    with open_fiji(ENDPOINT, headless=False) as fiji:
        shown.tell(lambda: look(fiji, model))


if __name__ == "__main__":
    main(*sys.argv[1:])
