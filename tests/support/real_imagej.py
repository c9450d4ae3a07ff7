"""A real ImageJ with our jar in its plugins folder, worked by the mouse and the keyboard of a virtual display.

Programs of `support` that play scenes use it: ImageJ is started by its own main class in this process, so that the
place of a button on the screen can be asked for. Nothing else of it is touched from here; what is clicked and typed
goes through the X server, by xdotool.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import jpype

SECONDS = 60.0


def wait(condition: Callable[[], Any], what: str = "what was waited for", seconds: float = SECONDS) -> Any:
    """Wait until a condition holds, and give its value."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not come")
        time.sleep(0.03)
    return value


def start(ij_jar: Path, folder: Path) -> RealImageJ:
    """Start ImageJ from its folder, as `java -cp ij.jar ij.ImageJ` does."""
    options = [f"-Dplugins.dir={folder}", f"-Duser.home={folder}", "-Djava.awt.headless=false"]
    jpype.startJVM(*options, classpath=[str(ij_jar)], convertStrings=False)
    main = jpype.JClass("ij.ImageJ").main
    main(jpype.JArray(jpype.java.lang.String)(["-port0"]))
    return RealImageJ(folder)


class RealImageJ:
    """The running ImageJ: its windows, and where to click."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ij = jpype.JClass("ij.IJ")
        self.manager = jpype.JClass("ij.WindowManager")
        self._window = jpype.JClass("java.awt.Window")
        wait(lambda: self.ij.getInstance() is not None and self.ij.getInstance().isShowing(), "ImageJ's window")

    def windows(self, title: str) -> list[Any]:
        """Give the windows on the screen with this title."""
        named = [each for each in self._window.getWindows() if each.isShowing() and hasattr(each, "getTitle")]
        return [each for each in named if str(each.getTitle()) == title]

    def window(self, title: str) -> Any:
        """Wait for the window with this title."""
        return wait(lambda: self.windows(title), f"the window {title!r}")[0]

    def part(self, window: Any, name: str) -> Any:
        """Give the component of this name."""
        return wait(lambda: _named(window, name), f"the part {name!r}")

    def button(self, window: Any, text: str) -> Any:
        """Give the button with this text."""
        kind = jpype.JClass("javax.swing.AbstractButton")
        return wait(lambda: first(window, lambda each: isinstance(each, kind) and str(each.getText()) == text), text)

    def click(self, part: Any) -> None:
        """Press the mouse in the middle of a component."""
        wait(part.isShowing, "the component on the screen")
        x, y, width, height = self.settled(part)
        self.press(x + width // 2, y + height // 2)

    def settled(self, part: Any) -> tuple[int, int, int, int]:
        """Give place and size of a component, pixels, once it has come to rest: a window is laid out a little later."""

        def look() -> tuple[int, int, int, int]:
            return (*self.place(part), int(part.getWidth()), int(part.getHeight()))

        def rests() -> tuple[int, int, int, int] | None:
            before = look()
            time.sleep(0.1)
            return before if look() == before else None

        found: tuple[int, int, int, int] = wait(rests, "a component at rest")
        return found

    def place(self, part: Any) -> tuple[int, int]:
        """Give where a component is on the screen, pixels, as the display tells it.

        NB: without a window manager Java's own answer can be (0, 0) for a window that stands elsewhere.
        """
        utilities = jpype.JClass("javax.swing.SwingUtilities")
        frames = jpype.JClass("java.awt.Window")
        window = part if isinstance(part, frames) else utilities.getWindowAncestor(part)
        wait(window.isShowing, "the window on the screen")
        name = f"^{re.escape(str(window.getTitle()))}$"
        number = wait(lambda: xdotool("search", "--onlyvisible", "--name", name, check=False).split(), "the window")[-1]
        told = dict(line.split("=") for line in xdotool("getwindowgeometry", "--shell", number).split())
        inside = utilities.convertPoint(part, 0, 0, window)
        return int(told["X"]) + int(inside.x), int(told["Y"]) + int(inside.y)

    def press(self, x: int, y: int) -> None:
        """Press the mouse at a point of the screen."""
        xdotool("mousemove", str(x), str(y))
        time.sleep(0.1)
        xdotool("click", "1")
        time.sleep(0.15)

    def type(self, text: str) -> None:
        """Type a text."""
        xdotool("type", "--delay", "8", "--", text)  # a token may begin with a dash
        time.sleep(0.15)

    def key(self, *names: str) -> None:
        """Press keys, one after the other."""
        for name in names:
            xdotool("key", name)
            time.sleep(0.15)

    def reach(self, window: Any, part: Any) -> Any:
        """Turn the wheel of the mouse over a window until a component can be seen; give the component."""
        x, y = self.place(window)
        xdotool("mousemove", str(x + 40), str(y + int(window.getHeight()) // 2))
        for _turn in range(60):
            if part.getVisibleRect().height >= part.getHeight() > 0:
                return part
            xdotool("click", "5")
            time.sleep(0.1)
        raise TimeoutError(f"{part.getName()} cannot be scrolled to")

    def replace(self, field: Any, text: str) -> None:
        """Type a text in place of what a field has."""
        self.click(field)
        self.key("ctrl+a")
        if text:
            self.type(text)
        else:
            self.key("BackSpace")
        wait(lambda: str(field.getText()) == text, f"the text {text!r}")

    def titles(self) -> list[str]:
        """Give the titles of the open images."""
        return [str(title) for title in self.manager.getImageTitles() or ()]


def screenshot(path: Path) -> None:
    """Write what is on the display as a PNG; nothing where ImageMagick is missing."""
    subprocess.run(["import", "-window", "root", str(path)], check=False, timeout=30, capture_output=True)


def xdotool(*arguments: str, check: bool = True) -> str:
    """Run xdotool."""
    done = subprocess.run(["xdotool", *arguments], capture_output=True, text=True, timeout=30, check=check)
    return done.stdout


def leave(code: int) -> None:
    """End the process whatever windows are open, as ImageJ ends: with the server that it has started."""
    if jpype.isJVMStarted():
        jpype.JClass("java.lang.System").exit(code)
    os._exit(code)


def main(scenes: Mapping[str, Callable[[RealImageJ, list[str]], dict[str, Any]]], quits: Collection[str] = ()) -> None:
    """Play the scene that is named: arguments SCENE IJ_JAR FOLDER ...; prints what it saw.

    Scenes in `quits` end ImageJ as its menu does.
    """
    scene, jar, folder, *more = sys.argv[1:]
    code = 1
    try:
        ij = start(Path(jar), Path(folder))
        print(json.dumps(scenes[scene](ij, more)), flush=True)
        if scene in quits:
            ij.ij.getInstance().quit()  # on a thread of its own, which ends the process
            time.sleep(20)
        code = 0
    except BaseException:  # noqa: BLE001 - Java's are none of Exception
        traceback.print_exc()
        screenshot(Path(folder) / "failed.png")
    finally:
        sys.stderr.flush()
        leave(code)


def _named(part: Any, name: str) -> Any:
    return first(part, lambda each: each.getName() is not None and str(each.getName()) == name)


def first(part: Any, wanted: Callable[[Any], bool]) -> Any:
    """Give the first component within another that is wanted, or None."""
    if wanted(part):
        return part
    if hasattr(part, "getComponents"):
        for each in part.getComponents():
            found = first(each, wanted)
            if found is not None:
                return found
    return None
