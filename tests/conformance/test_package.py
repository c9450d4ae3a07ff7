"""A package that we have written is judged by bioimageio.core, in a process that cannot import this project."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bioimg_fiji.commands import find
from bioimg_fiji.image import Image
from bioimg_fiji.package import open_package

JUDGE = """
import json, sys, warnings
sys.modules["bioimg_fiji"] = None
warnings.simplefilter("ignore")
from bioimageio.core import test_model
judgements = {}
for weights in sys.argv[2:]:
    summary = test_model(sys.argv[1], weight_format=weights)
    errors = [error.msg for detail in summary.details for error in detail.errors]
    judgements[weights] = {"status": summary.status, "errors": errors}
print("JUDGED" + json.dumps(judgements))
"""


@pytest.fixture(scope="module", params=["2", "3"])
def package(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package trained for a few steps, in two and in three dimensions."""
    shape, axes, patch = ((96, 110), "yx", 64) if request.param == "2" else ((24, 64, 72), "zyx", 32)
    pixels = np.random.default_rng(1).poisson(40, shape).astype(np.uint16)
    target = tmp_path_factory.mktemp("package") / "trained.zip"
    values = {"model": target, "steps": 3, "batch_size": 2, "apply": False, "dims": request.param, "patch": patch}
    find("train_denoiser").run({"image": Image(pixels, axes), **values})
    return target


def test_the_fields_own_judge_passes_every_weights_format(package: Path, tmp_path: Path) -> None:
    formats = list(open_package(package).weights)
    assert set(formats) == {"onnx", "pytorch_state_dict"}
    done = subprocess.run(
        [sys.executable, "-c", JUDGE, str(package), *formats],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"BIOIMAGEIO_CACHE_PATH": str(tmp_path / "cache"), "NO_COLOR": "1"},
    )
    line = next((line for line in done.stdout.splitlines() if line.startswith("JUDGED")), None)
    assert line is not None, done.stdout[-2000:] + done.stderr[-2000:]
    judged = json.loads(line.removeprefix("JUDGED"))
    for name in formats:
        assert judged[name] == {"status": "passed", "errors": []}, name
