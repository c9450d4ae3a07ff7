"""Heat maps, feature maps and the confidence of objects by macro in ImageJ, and the first two in a shell; the examples
of docs/trust-why.md as they stand.
"""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from bioimg_fiji import files
from bioimg_fiji.commands import find
from bioimg_fiji.errors import MacroError
from bioimg_fiji.fiji import Fiji
from bioimg_fiji.image import Image, Scale
from support.documents import blocks
from support.processes import run_cli

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def cells() -> tuple[Image, Image]:
    """Discs, and their labels."""
    rows, columns = np.mgrid[:96, :96]
    labels = np.zeros((96, 96), np.uint16)
    for number in range(9):
        y, x = 16 + 32 * (number // 3), 16 + 32 * (number % 3)
        labels[(rows - y) ** 2 + (columns - x) ** 2 < 81] = number + 1
    pixels = np.random.default_rng(0).poisson(20 + 60 * (labels > 0)).astype(np.uint16)
    scales = {a: Scale(0.5, "micron") for a in "yx"}
    return Image(pixels, "yx", title="cells.tif", scales=scales), Image(labels, "yx", title="labels.tif")


@pytest.fixture(scope="module")
def model(cells: tuple[Image, Image], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small segmentation."""
    path = tmp_path_factory.mktemp("segmentation") / "cells.zip"
    values = {"steps": 80, "batch_size": 4, "filters": 4, "device": "cpu", "apply": False}
    find("train_segmentation").run({"image": cells[0], "target": cells[1], "model": path, **values})
    return path


def test_a_macro_asks_why(fiji: Fiji, cells: tuple[Image, Image], model: Path) -> None:
    fiji.show(cells[0])
    told = fiji.run_macro(
        f"""
        makeRectangle(8, 8, 16, 16);
        run("BioImg Explain...", "model=[{model}] method=grad_cam");
        getPixelSize(unit, width, height);
        makeRectangle(4, 4, 24, 24);
        getStatistics(area, mean);
        near = mean > 0;
        makeRectangle(72, 72, 20, 20);
        getStatistics(area, mean);
        far = mean > 0;
        run("BioImg Macro Extensions");
        return getTitle() + " " + bitDepth() + " " + width + " " + near + " " + far + " " +
            Ext.BioImg_figure("layer") + " " + Ext.BioImg_figure("channel");
        """
    )
    title, depth, width, near, far, layer, channel = str(told).split()
    assert (title, depth, layer, channel) == ("cells-why", "32", "down.2.3", "foreground")
    assert float(width) == 0.5
    assert (near, far) == ("1", "0")
    assert "cells-why" in fiji.images()


def test_a_macro_looks_at_a_layer(fiji: Fiji, cells: tuple[Image, Image], model: Path) -> None:
    fiji.show(cells[0])
    told = fiji.run_macro(
        f"""
        run("BioImg Feature Maps...", "model=[{model}] layer=down.1.3");
        getPixelSize(unit, width, height);
        return getTitle() + " " + nSlices + " " + getWidth() + " " + width;
        """
    )
    assert str(told).split() == ["cells-down.1.3", "8", "48", "1"]
    assert fiji.table("BioImg Feature Maps - layers").rows[0] == ("down.0.0", 4, 96, 96)
    with pytest.raises(MacroError, match=r"layer must be auto or one of down\.0\.0"):
        fiji.run_macro(f'selectWindow("cells.tif"); run("BioImg Feature Maps...", "model=[{model}] layer=x");')


def test_the_table_of_objects_tells_how_sure(fiji: Fiji, cells: tuple[Image, Image], model: Path) -> None:
    fiji.show(cells[0])
    fiji.run_macro(f'run("BioImg Run Model...", "model=[{model}] table=true");')
    table = fiji.table("BioImg Run Model - objects")
    place = [name.split()[0] for name in table.columns].index("confidence")
    assert len(table.rows) >= 9
    assert all(0.5 < float(row[place]) <= 1 for row in table.rows)  # type: ignore[arg-type]


def test_the_shell_gives_the_same_pixels(cells: tuple[Image, Image], model: Path, tmp_path: Path) -> None:
    files.write_image(cells[0], tmp_path / "cells.tif")
    for command, keys in (("explain", ["method=grad_cam"]), ("feature_maps", [])):
        (tmp_path / command).mkdir()
        image = f"image={tmp_path / 'cells.tif'}"
        done = run_cli("call", command, image, f"model={model}", *keys, "--output", tmp_path / command)
        assert done.returncode == 0, done.stderr
        (file,) = (tmp_path / command).glob("*.tif")
        values = {"image": cells[0], "model": model, **dict(each.split("=") for each in keys)}
        wanted = find(command).run(values).images["output"]
        np.testing.assert_array_equal(files.read_image(file).pixels, wanted.pixels)


@pytest.fixture
def folder(cells: tuple[Image, Image], model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The images and the model of the examples; paths are seen from there."""
    large = cells[0].with_pixels(np.tile(cells[0].pixels, (2, 2)))
    files.write_image(large, tmp_path / "cells.tif")
    shutil.copy(model, tmp_path / "nuclei.zip")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_macro_of_the_documentation(folder: Path) -> None:
    (macro,) = blocks("docs/trust-why.md", "ijm")
    (folder / "why.ijm").write_text(
        macro
        + """
        maps = getTitle() + " " + nSlices;
        selectImage("cells-why");
        makeRectangle(120, 80, 40, 40);
        getStatistics(area, near);
        makeRectangle(0, 0, 60, 40);
        getStatistics(area, far);
        print(maps + " " + (near > 0) + " " + (far > 0));
        """
    )
    done = run_cli("macro", folder / "why.ijm")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "cells-down.2.3 16 1 0", done.stdout


def test_the_lines_of_the_documentation(folder: Path) -> None:
    (lines,) = blocks("docs/trust-why.md", "sh")
    for line, wanted in zip(lines.splitlines(), ("method occlusion", "layer down.2.3"), strict=True):
        program, *arguments = shlex.split(line)
        assert program == "bioimg-fiji"
        done = run_cli(*arguments)
        assert done.returncode == 0, done.stderr
        assert wanted in " ".join(done.stdout.split()), done.stdout
