"""The error map in ImageJ, by macro: its image, outlines, tables and figures."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from bioimg_fiji.commands import find
from bioimg_fiji.fiji import Fiji
from bioimg_fiji.image import Image, Scale

LOOK = """
run("BioImg Error Map...", "raw=raw.tif ");
getMinAndMax(low, high);
getPixelSize(unit, width, height);
getLut(reds, greens, blues);
Overlay.activateSelection(0);
getStatistics(area, mean, min, max);
text = getTitle() + ";" + low + ";" + high + ";" + unit + ";" + width + ";" + Overlay.size;
text = text + ";" + max + ";" + reds[128];
text = text + ";" + call("io.github.bioimgfiji.BioImg.figure", "worst");
return text;
"""


@pytest.mark.timeout(240)
def test_a_macro_sees_the_worst_place(fiji: Fiji) -> None:
    rng = np.random.default_rng(0)
    truth = gaussian_filter(rng.random((90, 100)), 3) * 400 + 50
    scales = {axis: Scale(0.5, "µm") for axis in "yx"}
    raw = Image(rng.poisson(truth).astype(np.float32), "yx", title="raw.tif", scales=scales)
    pixels = truth.astype(np.float32)
    pixels[30:40, 50:60] += 50
    result = Image(pixels, "yx", title="denoised.tif", scales=scales)
    fiji.show(raw)
    fiji.show(result)
    told = str(fiji.run_macro(LOOK)).split(";")
    wanted = find("error_map").run({"image": result, "raw": raw})
    title, low, high, unit, width, regions, most, red, worst = told
    assert title == "denoised-error"
    assert (float(low), float(high)) == (0.0, 10.0)
    assert unit in ("micron", "µm")
    assert float(width) == 0.5
    assert int(regions) == wanted.figures["places"] == 1
    assert float(most) == pytest.approx(float(wanted.images["output"].pixels.max()), abs=1e-3)
    assert float(worst) == pytest.approx(float(wanted.figures["worst"]), abs=1e-3)
    assert int(red) == 215
    called = fiji.run("BioImg Error Map...", result, raw=raw)
    assert called.tables["places"] == wanted.tables["places"]
    np.testing.assert_array_equal(called.images["output"].pixels, wanted.images["output"].pixels)
