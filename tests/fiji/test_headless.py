"""ImageJ's own commands without a display: they work, or they raise; they never give a wrong number."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bioimg_fiji.errors import BioimgError, FijiError, HeadlessError, MacroError
from bioimg_fiji.fiji import Fiji, start

SPOT = 'newImage("a", "32-bit black", 51, 51, 1); setPixel(25, 25, 1000); '
BLOBS = 'newImage("b", "8-bit black", 60, 60, 1); setColor(255); fillRect(5, 5, 10, 10); fillRect(30, 30, 20, 20); '


def peak(fiji: Fiji, options: str) -> float:
    text = fiji.run_macro(
        f's = 5;{SPOT}run("Gaussian Blur...", {options}); v = getPixel(25, 25); close(); return "" + v;'
    )
    assert text is not None
    return float(text)


@pytest.mark.parametrize("options", ['"sigma=5"', '"sigma=" + s', '"sigma=s"', '"sigma=&s"', '"sigma=[5]"'])
def test_values_of_a_dialog_come_from_the_macro(fiji: Fiji, options: str) -> None:
    assert peak(fiji, options) == pytest.approx(1000 / (2 * math.pi * 25), rel=0.01)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ('run("Gaussian Blur...", "sigma=abc")', 'sigma: expected a number or the name of a variable, got "abc"'),
        ('run("Gaussian Blur...", "sigma=")', "sigma: expected a number"),
        ('run("Z Project...", "projection=[Max Intensty]")', "not a valid choice"),
        ('run("Gausian Blur...", "sigma=2")', "Gausian Blur"),
        ('open("/nowhere/x.tif")', "File not found"),
        ('saveAs("Tiff", "/nowhere/x.tif")', "No such file"),
        ('save("/nowhere/x.tif")', "No such file"),
        ('selectWindow("nothing")', "nothing"),
        ('runMacro("/nowhere/a.ijm")', "Macro or script not found"),
        ('exit("not good")', "not good"),
        ("undefinedFunction(3)", "Undefined identifier"),
        ('x = getResult("Area", 0)', "No results"),
    ],
)
def test_what_is_wrong_stops_the_macro_with_message_and_line(fiji: Fiji, call: str, text: str) -> None:
    with pytest.raises(MacroError, match="failed in line 3") as caught:
        fiji.run_macro(f'newImage("a", "8-bit ramp", 50, 50, 3);\n// a comment\n{call};\nprint("went on");\n')
    assert text in str(caught.value)
    assert caught.value.details["line"] == 3
    assert "went on" not in fiji.log()


@pytest.mark.parametrize(
    "call",
    [
        'run("Gaussian Blur...")',
        'run("Gaussian Blur...", "")',
        'makeOval(1, 2, 3, 4); roiManager("add"); roiManager("save", "")',
        'waitForUser("look")',
        'x = getNumber("radius", 3)',
        'x = getBoolean("really?")',
        'Dialog.create("a"); Dialog.addNumber("b", 1); Dialog.show()',
        'setTool("oval")',
    ],
)
def test_what_needs_a_window_says_so(fiji: Fiji, call: str) -> None:
    with pytest.raises(HeadlessError, match="no display") as caught:
        fiji.run_macro(f'newImage("a", "8-bit ramp", 50, 50, 1);\n{call};\nprint("went on");\n')
    assert "headless=False" in caught.value.fix
    assert "went on" not in fiji.log()


def test_maxima_are_counted(fiji: Fiji) -> None:
    count = 'run("Find Maxima...", "prominence=10 output=Count");'
    assert fiji.run_macro(f'{BLOBS}{count} return "" + nResults + " " + getResult("Count", 0);') == "1 2"
    # A second count appends, as it does with windows.
    assert fiji.run_macro(f'selectImage("b"); {count} return "" + nResults;') == "2"
    listed = 'run("Find Maxima...", "prominence=10 output=List"); return "" + nResults;'
    assert fiji.run_macro(f'selectImage("b"); {listed}') == "2"


def test_each_measurement_is_a_row(fiji: Fiji) -> None:
    measured = f'{BLOBS}for (i = 0; i < 3; i++) {{ makeRectangle(5 * i, 5, 5, 5); run("Measure"); }} '
    assert fiji.run_macro(f'{measured} return "" + nResults + " " + getResult("Mean", 1);') == "3 255"
    assert fiji.run_macro('run("Measure"); return "" + nResults;') == "4"
    assert fiji.run_macro('run("Clear Results"); run("Measure"); return "" + nResults;') == "1"


def test_particles_are_measured(fiji: Fiji) -> None:
    analyze = 'run("Analyze Particles...", "size=0-Infinity display clear");'
    macro = f'{BLOBS}setThreshold(128, 255); {analyze} return "" + nResults + " " + getResult("Area", 1);'
    assert fiji.run_macro(macro) == "2 400"


def test_tables_come_back(fiji: Fiji) -> None:
    image = np.zeros((60, 60), np.uint8)
    image[5:15, 5:15] = image[30:50, 30:50] = 255
    result = fiji.run("Analyze Particles...", image, size="0-Infinity", show="Nothing", display=True, summarize=True)
    area = result.tables["Results"].columns.index("Area")
    assert [row[area] for row in result.tables["Results"].rows] == [100, 400]
    summary = result.tables["Summary"]
    assert dict(zip(summary.columns, summary.rows[0], strict=True))["Count"] == 2
    assert fiji.run("Invert", image).tables == {}


def test_commands_give_images(fiji: Fiji) -> None:
    image = np.random.default_rng(2).integers(0, 255, (40, 50)).astype(np.uint8)
    assert np.array_equal(fiji.run("Invert", image).images["output"].pixels, 255 - image)
    duplicate = fiji.run("Duplicate...", image, title="another").images["output"]
    assert duplicate.title == "another"
    assert np.array_equal(duplicate.pixels, image)
    sized = fiji.run("Size...", image, width=25, height=20, depth=1, average=True, interpolation="Bilinear")
    assert sized.images["output"].shape == (20, 25)
    assert fiji.images() == []
    with pytest.raises(FijiError, match="threshold"):
        fiji.run("Analyze Particles...", image, size="0-Infinity")


def test_the_active_image_is_used_and_stays(fiji: Fiji) -> None:
    fiji.show(np.full((20, 30), 7, np.uint8))
    result = fiji.run("Invert")
    assert int(result.images["output"].pixels[0, 0]) == 248
    assert int(fiji.active_image().pixels[0, 0]) == 248
    assert len(fiji.images()) == 1


def test_a_failing_macro_leaves_open_images_open(fiji: Fiji) -> None:
    fiji.show(np.full((20, 30), 7, np.uint8))
    before = fiji.images()
    with pytest.raises(BioimgError):
        fiji.run_macro('exit("no");')
    assert fiji.images() == before
    assert int(fiji.active_image().pixels[0, 0]) == 7


def test_macros_take_an_argument_and_return_text(fiji: Fiji) -> None:
    assert fiji.run_macro("return getArgument() + 1;", "a b") == "a b1"
    assert fiji.run_macro("x = 1;") is None
    assert fiji.run_macro("x = 1; exit();") is None
    fiji.run_macro('print("einö µm");')
    assert "einö µm" in fiji.log()
    with pytest.raises(MacroError, match="line 3"):
        fiji.run_macro('function f(x) {\n  y = x;\n  exit("deep");\n}\n\nf(3);')
    with pytest.raises(BioimgError, match=r"missing\.ijm"):
        fiji.run_macro_file("missing.ijm")


def test_macos_has_no_windows_that_python_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start.sys, "platform", "darwin")
    with pytest.raises(HeadlessError, match="macOS") as caught:
        start._begin("embedded", start.How(headless=False))
    assert "--python" in caught.value.fix
