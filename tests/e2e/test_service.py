"""The files for a facility: the systemd unit, the container file, Slurm's scripts with a real training."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from bioimg_fiji.files import read_image, write_image
from bioimg_fiji.image import Image
from support.processes import run_cli
from support.servers import noise

pytestmark = pytest.mark.timeout(240)

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "examples" / "service"
SCRIPTS = sorted([*FOLDER.glob("*.sbatch"), *(ROOT / "scripts" / name for name in ("setup", "test", "check", "soak"))])


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with a program that is there."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here")
    program = shutil.which("true") or ""
    text = (FOLDER / "bioimg-fiji.service").read_text("utf-8")
    copy = tmp_path / "bioimg-fiji.service"
    copy.write_text(text.replace("/opt/bioimg-fiji/bin/bioimg-fiji", program), "utf-8")
    assert program in copy.read_text("utf-8")
    return copy


def test_the_unit_is_what_systemd_understands_and_hardened(unit: Path) -> None:
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    # Exposure from 0.0 (safe) to 10.0; an ordinary service without hardening has 9.6.
    line = ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", unit]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


def test_the_lines_that_start_a_server_have_options_that_there_are() -> None:
    known = run_cli("serve", "--help").stdout
    lines = [
        *re.findall(r"^ExecStart=(.*)$", (FOLDER / "bioimg-fiji.service").read_text("utf-8"), re.MULTILINE),
        *re.findall(r"^ENTRYPOINT (.*)$", (FOLDER / "Containerfile").read_text("utf-8"), re.MULTILINE),
        *re.findall(r"serve (--.*) &$", (FOLDER / "serve.sbatch").read_text("utf-8"), re.MULTILINE),
    ]
    assert len(lines) == 3
    for option in {option for line in lines for option in re.findall(r"--[a-z-]+", line)}:
        assert option in known
    for line in lines:  # neither tokens nor jobs are others after a restart
        assert "--token-file" in line
        assert "--keep-jobs" in line


def test_the_container_file_keeps_the_rules() -> None:
    text = (FOLDER / "Containerfile").read_text("utf-8")
    joined = re.sub(r"\\\n\s*", "", text)
    steps = [line.split(None, 1) for line in joined.splitlines() if line and not line.startswith("#")]
    names = [name for name, _ in steps]
    known = {
        "FROM",
        "RUN",
        "COPY",
        "USER",
        "WORKDIR",
        "ENV",
        "VOLUME",
        "EXPOSE",
        "STOPSIGNAL",
        "HEALTHCHECK",
        "ENTRYPOINT",
    }
    assert set(names) == known
    assert names[0] == "FROM"
    given = {name: rest for name, rest in steps if name not in ("RUN", "COPY")}
    assert re.fullmatch(r"[a-z.]+/[a-z/]+:\d[\w.-]+", given["FROM"])  # a registry and a version, not "latest"
    assert given["USER"].isdecimal()
    assert given["USER"] != "0"
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert not [rest for name, rest in steps if name == "RUN" and re.search(r"curl|wget|sudo|chmod 777", rest)]
    assert "--require-hashes" in text
    assert not re.search(r"(TOKEN|PASSWORD|SECRET|KEY)\w*=", text)
    for command in (given["ENTRYPOINT"], given["HEALTHCHECK"].split(" CMD ")[1]):
        assert isinstance(json.loads(command), list)  # no shell between the signal and the server
    assert json.loads(given["ENTRYPOINT"])[3] == given["EXPOSE"]
    assert f":{given['EXPOSE']}/healthz" in given["HEALTHCHECK"]
    for source in (rest.split()[0] for name, rest in steps if name == "COPY"):
        assert source == "dist/" or (ROOT / source).is_file()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_the_scripts_are_sound(script: Path) -> None:
    subprocess.run(["bash", "-n", script], check=True, timeout=20)
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not here: only the syntax was looked at")
    done = subprocess.run(
        ["shellcheck", "--severity=warning", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_a_training_that_slurm_stops_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    image = write_image(Image(noise(96, 96).pixels, "yx"), tmp_path / "noise.tif")
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    # Slurm itself is not here: what the script asks of it is written down, and then done as Slurm would, by hand.
    (bin_ / "scontrol").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    (bin_ / "bioimg-fiji").write_text(f'#!/bin/sh\nexec {sys.executable} -m bioimg_fiji "$@"\n')
    for program in bin_.iterdir():
        program.chmod(0o755)
    environment = os.environ | {"PATH": f"{bin_}:{os.environ['PATH']}", "SLURM_JOB_ID": "4711", "PYTHONPATH": str(ROOT)}
    options = [
        "--steps",
        "300",
        "--batch-size",
        "1",
        "--patch",
        "32",
        "--force",
        "--device",
        "cpu",
        "--early-stop",
        "0",
    ]

    def submit(name: str) -> subprocess.Popen[str]:
        line = [FOLDER / "train.sbatch", "n2v", image, "--model", tmp_path / name, *options]
        return subprocess.Popen(line, env=environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True)

    stopped = submit("stopped.zip")
    said = ""
    while "Training 0/" not in said and stopped.poll() is None:
        said += stopped.stderr.readline() if stopped.stderr else ""
    time.sleep(2)  # some steps
    assert stopped.poll() is None, said
    stopped.send_signal(signal.SIGTERM)
    said += stopped.communicate(timeout=60)[1]
    assert stopped.returncode == 0, said
    assert (tmp_path / "asked").read_text() == "requeue 4711\n", said
    assert (tmp_path / "stopped.checkpoint").is_file()
    assert not (tmp_path / "stopped.zip").exists()
    for name in ("stopped.zip", "whole.zip"):
        again = submit(name)
        assert again.communicate(timeout=120)[1] is not None
        assert again.returncode == 0
    assert (tmp_path / "asked").read_text() == "requeue 4711\n"
    assert not (tmp_path / "stopped.checkpoint").exists()
    results = []
    for name in ("stopped", "whole"):
        done = run_cli("run", tmp_path / f"{name}.zip", image, tmp_path / f"{name}.tif")
        assert done.returncode == 0, done.stderr
        results.append(read_image(tmp_path / f"{name}.tif").pixels)
    assert np.array_equal(*results)
