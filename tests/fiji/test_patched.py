"""The jar of mended and patched classes that the first start keeps: later starts from it do the same."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from bioimg_fiji.fiji.patched import patched_jar
from support.python import printed

BLOBS = 'newImage("b", "8-bit black", 60, 60, 1); setColor(255); fillRect(5, 5, 10, 10); fillRect(30, 30, 20, 20); '
MACROS = {
    "measure": BLOBS + 'for (i = 0; i < 3; i++) run("Measure"); return "" + nResults + " " + getResult("Area", 2);',
    "cleared": 'run("Clear Results"); run("Measure"); return "" + nResults;',
    "maxima": BLOBS
    + 'run("Find Maxima...", "prominence=10 output=Count"); return "" + getResult("Count", nResults - 1);',
    "filter": 's = 5; newImage("a", "32-bit black", 51, 51, 1); setPixel(25, 25, 1000);'
    ' run("Gaussian Blur...", "sigma=s"); return "" + (abs(getPixel(25, 25) - 1000 / (2 * PI * 25)) < 0.1);',
    "wrong choice": 'newImage("s", "8-bit ramp", 9, 9, 3); run("Z Project...", "projection=[Max Intensty]");',
    "no value": BLOBS + 'run("Gaussian Blur...", "sigma=abc");',
    "particles": BLOBS + 'setThreshold(128, 255); run("Clear Results"); run("Analyze Particles...", "display");'
    ' return "" + nResults + " " + getResult("Area", 0) + " " + getResult("Area", 1);',
}
PROGRAM = f"""
import json
from bioimg_fiji import open_fiji
from bioimg_fiji.errors import MacroError
with open_fiji("embedded") as fiji:
    done = {{}}
    for name, text in {MACROS!r}.items():
        try:
            done[name] = fiji.run_macro(text)
        except MacroError as error:
            done[name] = error.message
    print(json.dumps(done))
"""
MENDED = [
    "ij/measure/ResultsTable",
    "ij/plugin/filter/Analyzer",
    "ij/plugin/filter/MaximumFinder",
    "ij/plugin/filter/PlugInFilterRunner",
    "net/imagej/patcher/HeadlessGenericDialog",
]


def test_a_second_start_gives_what_the_first_one_gave(cache: Path) -> None:
    assert not patched_jar().exists()
    first = json.loads(printed(PROGRAM).splitlines()[-1])
    made = patched_jar().stat()
    second = json.loads(printed(PROGRAM).splitlines()[-1])
    assert patched_jar().stat().st_mtime_ns == made.st_mtime_ns  # it was used, and not made anew
    assert second == first
    assert first["measure"] == "3 3600"
    assert first["cleared"] == "1"
    assert first["maxima"] == "2"
    assert first["filter"] == "1"
    assert first["particles"] == "2 100 400"
    assert "not a valid choice" in first["wrong choice"]
    assert "expected a number" in first["no value"]
    with zipfile.ZipFile(patched_jar()) as archive:
        assert {f"{name}.class" for name in MENDED} <= set(archive.namelist())
