"""A program that works the menu of a real ImageJ by mouse and keyboard, and prints what it saw as a line of JSON.

python -m support.menu_scenes SCENE IJ_JAR FOLDER [MORE]; needs a display and xdotool.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jpype

from support import real_imagej
from support.real_imagej import RealImageJ, wait


def menu(path: str) -> Any:
    """Give a menu by its path."""
    return jpype.JClass("ij.Menus").getImageJMenu(path)


def labels(path: str) -> list[str]:
    """Give what a menu shows, in its order."""
    found = menu(path)
    return [] if found is None else [str(found.getItem(index).getLabel()) for index in range(found.getItemCount())]


def call(title: str) -> str | None:
    """Give what ImageJ runs under a title."""
    value = jpype.JClass("ij.Menus").getCommands().get(title)
    return None if value is None else str(value)


def choose(ij: RealImageJ, *path: str) -> None:
    """Open a menu with the mouse and go to an item with the keys, as a user does who does not like to aim."""
    bar = ij.ij.getInstance().getMenuBar()
    metrics = ij.ij.getInstance().getFontMetrics(bar.getFont() or ij.ij.getInstance().getFont())
    names = [str(bar.getMenu(index).getLabel()) for index in range(bar.getMenuCount())]
    x, y = ij.place(ij.ij.getInstance())
    before = sum(int(metrics.stringWidth(name)) + 22 for name in names[: names.index(path[0])])
    width = int(metrics.stringWidth(path[0]))
    ij.press(x + before + 12 + width // 2, y + 12)
    found = bar.getMenu(names.index(path[0]))
    for name in path[1:]:
        items = [found.getItem(index) for index in range(found.getItemCount())]
        wanted = next(index for index, each in enumerate(items) if str(each.getLabel()) == name)
        passed = sum(str(each.getLabel()) != "-" for each in items[:wanted])
        # A menu that opens has its first item selected.
        ij.key(*["Down"] * passed)
        found = items[wanted]
        ij.key("Return" if name == path[-1] else "Right")


def at_start(ij: RealImageJ, _: list[str]) -> dict[str, Any]:
    """See what the menu has before anything of ours has run, and what has run."""
    time.sleep(1)
    threads = jpype.JClass("java.lang.Thread").getAllStackTraces().keySet()
    return {
        "menu": labels("Plugins>BioImg"),
        "train": labels("Plugins>BioImg>Train"),
        "about": [each for each in labels("Help>About Plugins") if each.startswith("BioImg")],
        "call": {title: call(title) for title in ("BioImg Run Model", "BioImg Double", "BioImg Double...")},
        "threads": [str(each.getName()) for each in threads if "BioImg" in str(each.getName())],
        "connection": Path(os.environ["BIOIMG_FIJI_CONNECTION"]).exists(),
        "loaded": _loaded(ij),
    }


def _loaded(ij: RealImageJ) -> bool:
    """Whether a class of ours is loaded: then the loader of plugins knows our package."""
    packages = ij.ij.getClassLoader().getDefinedPackages()
    return any(str(each.getName()).startswith("io.github.bioimgfiji") for each in packages)


def pin(ij: RealImageJ, more: list[str]) -> dict[str, Any]:
    """Pin the model of the store by the dialog, which changes the menu at once, and end ImageJ."""
    ij.ij.doCommand("BioImg Models...")
    window = ij.window("BioImg Models")
    action = ij.part(window, "action")
    ij.click(action)
    ij.key("Home", *["Down"] * [str(action.getItemAt(i)) for i in range(action.getItemCount())].index("pin"), "Return")
    wait(lambda: str(action.getSelectedItem()) == "pin")
    names = ij.part(window, "source")
    ij.click(names)
    ij.key("Home", "Down", "Return")
    wait(lambda: str(names.getSelectedItem()).startswith(more[0]))
    ij.click(ij.button(window, "OK"))
    title = f"BioImg: {more[0]}"
    wait(lambda: title in labels("Plugins>BioImg"), "the pinned model in the menu")
    about = [each for each in labels("Help>About Plugins") if each.startswith("BioImg")]
    return {"menu": labels("Plugins>BioImg"), "about": about, "call": call("BioImg Double")}


def run_pinned(ij: RealImageJ, more: list[str]) -> dict[str, Any]:
    """In the next ImageJ: the pinned model and the third-party command are in the menu; run both, without dots."""
    menus = labels("Plugins>BioImg")
    path = Path(ij.folder) / "ran.txt"
    ij.ij.createImage("cells.tif", "8-bit ramp", 48, 48, 1).show()
    macro = (
        f'run("BioImg: {more[0]}", "labels=false");\nfirst = getTitle();\nselectWindow("cells.tif");\n'
        f'run("BioImg Double", "factor=3");\n'
        f'File.saveString(first + "\\n" + getTitle() + "\\n" + getValue("Max"), "{path}");\n'
    )
    thread = _macro(ij, macro)
    wait(lambda: path.exists() or not thread.isAlive(), "the end of the macro")
    thread.join(5000)
    return {"menu": menus, "ran": path.read_text().splitlines() if path.exists() else []}


def _macro(ij: RealImageJ, text: str) -> Any:
    file = Path(ij.folder) / "macro.ijm"
    file.write_text(text)
    runner = jpype.JClass("ij.plugin.Macro_Runner")()
    run = jpype.JProxy("java.lang.Runnable", dict={"run": lambda: runner.runMacroFile(str(file), "") and None})
    thread = jpype.JClass("java.lang.Thread")(run, "Test_Macro$")
    thread.setDaemon(True)
    thread.start()
    return thread


def server(ij: RealImageJ, _: list[str]) -> dict[str, Any]:
    """Open the server's window by the menu; start, look at, restart and stop the server."""
    choose(ij, "Plugins", "BioImg", "BioImg Server...")
    window = ij.window("BioImg Server")
    seen: dict[str, Any] = {"first": str(ij.part(window, "State").getText())}
    ij.click(ij.button(window, "Start"))
    wait(lambda: _value(ij, window, "State") == "running", "the server", 90)
    wait(lambda: "cpu" in _value(ij, window, "Devices"), "the devices", 90)
    names = ("Address", "Version", "Process", "Jobs", "Memory", "Log")
    seen |= {name: wait(lambda name=name: _value(ij, window, name), name) for name in names}
    real_imagej.screenshot(Path(ij.folder) / "server.png")
    ij.click(ij.button(window, "Restart"))
    wait(lambda: _value(ij, window, "Process") not in ("", seen["Process"]), "another server")
    stop = ij.button(window, "Stop")
    wait(stop.isEnabled, "the end of the restart")
    ij.click(stop)
    wait(lambda: "not running" in _value(ij, window, "State"), "the end of the server")
    seen["connection"] = Path(os.environ["BIOIMG_FIJI_CONNECTION"]).exists()
    return seen


def another_server(ij: RealImageJ, _: list[str]) -> dict[str, Any]:
    """Open the window while a server of another version runs, and stop that one."""
    ij.ij.doCommand("BioImg Server...")
    window = ij.window("BioImg Server")
    names = ("State", "Version", "Process")
    wait(lambda: _value(ij, window, "Process"), "the server", 30)
    seen = {name: _value(ij, window, name) for name in names}
    time.sleep(1.5)
    real_imagej.screenshot(Path(ij.folder) / "another.png")
    stop = ij.button(window, "Stop")
    wait(stop.isEnabled, "the button")
    ij.click(stop)
    wait(lambda: "not running" in _value(ij, window, "State"), "the end of the server")
    return seen


def end_another(ij: RealImageJ, _: list[str]) -> dict[str, Any]:
    """Check an installation while a server of another version runs; accept the offer to end it."""
    ij.ij.doCommand("BioImg Check Installation")
    offer = ij.window("BioImg Check Installation")
    time.sleep(0.5)
    real_imagej.screenshot(Path(ij.folder) / "end.png")
    ij.click(_awt_button(offer, "OK"))
    connection = Path(os.environ["BIOIMG_FIJI_CONNECTION"])
    wait(lambda: not connection.exists(), "the end of the server")
    return {}


def repair(ij: RealImageJ, _: list[str]) -> dict[str, Any]:
    """Check an installation whose own Python environment has a fault; leave the offer to build it anew."""
    ij.ij.doCommand("BioImg Check Installation")
    offer = ij.window("BioImg: Python needs repair")
    time.sleep(0.5)
    real_imagej.screenshot(Path(ij.folder) / "repair.png")
    build = _awt_button(offer, "Build")
    ij.click(_awt_button(offer, "Cancel"))
    wait(lambda: not offer.isShowing(), "the end of the offer")
    return {"build": bool(build.isEnabled())}


def _awt_button(window: Any, text: str) -> Any:
    """Give a button of one of ImageJ's own dialogs."""
    kind = jpype.JClass("java.awt.Button")
    return real_imagej.first(window, lambda each: isinstance(each, kind) and str(each.getLabel()).strip() == text)


def named_servers(ij: RealImageJ, more: list[str]) -> dict[str, Any]:
    """Add a server on another computer in the server's window, test it, correct it, test it again, and remove it."""
    url, pin, token = more
    choose(ij, "Plugins", "BioImg", "BioImg Server...")
    window = ij.window("BioImg Server")
    ij.click(ij.button(window, "Add..."))
    dialog = ij.window("BioImg Named Server")
    wrong = "00" * 32
    for name, text in (("name", "gpu"), ("url", url), ("fingerprint", wrong), ("token", token)):
        ij.replace(ij.part(dialog, name), text)
    ij.click(ij.button(dialog, "OK"))
    seen = {"wrong": _tested(ij, window)}
    ij.click(ij.button(window, "Edit..."))
    dialog = ij.window("BioImg Named Server")
    ij.replace(ij.part(dialog, "fingerprint"), pin)
    ij.click(ij.button(dialog, "OK"))
    seen["right"] = _tested(ij, window)
    real_imagej.screenshot(Path(ij.folder) / "named-servers.png")
    seen["list"] = Path(os.environ["BIOIMG_FIJI_SERVERS"]).read_text()
    ij.click(ij.button(window, "Remove"))
    wait(lambda: '"gpu"' not in Path(os.environ["BIOIMG_FIJI_SERVERS"]).read_text(), "the removal")
    return seen


def _tested(ij: RealImageJ, window: Any) -> str:
    """Press Test, and give the answer without the marks of its lines."""
    test = ij.button(window, "Test")
    wait(test.isEnabled, "the selection")
    answer = ij.part(window, "answer")
    before = str(answer.getText())
    ij.click(test)
    wait(lambda: str(answer.getText()) not in (before, "Asking gpu..."), "the answer", 90)
    time.sleep(0.5)  # the window takes the size that the answer needs
    return str(answer.getText()).replace("<html>", "").replace("<br>", " ")


def _value(ij: RealImageJ, window: Any, name: str) -> str:
    kind = jpype.JClass("javax.swing.JTextField")
    found = real_imagej.first(
        window, lambda each: isinstance(each, kind) and each.getName() is not None and str(each.getName()) == name
    )
    return "" if found is None else str(found.getText())


def show_help(ij: RealImageJ, _: list[str]) -> dict[str, Any]:
    """Open the help by the menu."""
    choose(ij, "Plugins", "BioImg", "BioImg Help")
    window = ij.window("BioImg Help")
    page = ij.part(window, "page")
    text = str(page.getDocument().getText(0, page.getDocument().getLength()))
    time.sleep(0.5)
    real_imagej.screenshot(Path(ij.folder) / "help.png")
    return {"text": text[:2000]}


SCENES: dict[str, Callable[[RealImageJ, list[str]], dict[str, Any]]] = {
    "at_start": at_start,
    "pin": pin,
    "run_pinned": run_pinned,
    "server": server,
    "another_server": another_server,
    "end_another": end_another,
    "repair": repair,
    "named_servers": named_servers,
    "help": show_help,
}


if __name__ == "__main__":
    real_imagej.main(SCENES)
