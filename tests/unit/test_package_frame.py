"""The frame: light imports, public names, errors that survive every way, settings that say who won."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys

import numpy as np
import pytest

import bioimg_fiji
from bioimg_fiji import errors, settings
from bioimg_fiji.errors import AxesError, BioimgError, ImageError, ParameterError
from bioimg_fiji.image import Image, Scale, from_array, imagej_pixels
from bioimg_fiji.jobs import Job, JobState


def modules_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(json.loads(done.stdout))


def test_import_is_light() -> None:
    loaded = modules_after("import bioimg_fiji")
    assert not loaded & {
        "torch",
        "jpype",
        "scyjava",
        "imagej",
        "numpy",
        "pydantic",
        "starlette",
        "httpx",
        "onnxruntime",
    }


def test_registry_is_light() -> None:
    loaded = modules_after("import bioimg_fiji.commands as c; c.describe_all()")
    assert not loaded & {"torch", "jpype", "scyjava", "imagej", "starlette", "httpx", "onnxruntime", "scipy"}


def test_public_names_are_there() -> None:
    for name in bioimg_fiji.__all__:
        assert getattr(bioimg_fiji, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = bioimg_fiji.nonsense


def all_errors(root: type[BioimgError] = BioimgError) -> list[type[BioimgError]]:
    return [root, *(found for child in root.__subclasses__() for found in all_errors(child))]


@pytest.mark.parametrize("kind", all_errors())
def test_errors_survive_json_and_pickle(kind: type[BioimgError]) -> None:
    error = kind("What was wrong.", fix="Do this.", field="x", got=3)
    for back in (BioimgError.from_json(json.loads(json.dumps(error.to_json()))), pickle.loads(pickle.dumps(error))):
        assert type(back) is kind
        assert back.to_json() == error.to_json()
        assert str(back) == "What was wrong. Do this."
    assert kind.code in (errors.__doc__ or "")


def test_codes_are_unique() -> None:
    codes = [kind.code for kind in all_errors()]
    assert len(set(codes)) == len(codes)


def test_settings_say_who_won(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.resolve("threads").source == "default"
    settings.settings_file().write_text("threads = 3\n")
    assert (settings.get("threads"), settings.resolve("threads").source) == (3, "file")
    monkeypatch.setenv("BIOIMG_FIJI_THREADS", "4")
    assert (settings.get("threads"), settings.resolve("threads").source) == (4, "environment")
    assert (settings.get("threads", 5), settings.resolve("threads", 5).source) == (5, "flag")
    monkeypatch.setenv("BIOIMG_FIJI_THREADS", "many")
    with pytest.raises(ParameterError, match=r"threads \(from the environment\) must be a value of type int"):
        settings.get("threads")


def test_settings_file_with_a_typo() -> None:
    settings.settings_file().write_text("thread = 3\n")
    with pytest.raises(ParameterError, match="unknown names: thread"):
        settings.get("threads")


def test_job_states() -> None:
    allowed = {(a, b) for a in JobState for b in JobState if a.may_become(b)}
    queued, running = JobState.QUEUED, JobState.RUNNING
    ends = [JobState.DONE, JobState.FAILED, JobState.CANCELLED]
    assert allowed == {(queued, running), (queued, ends[1]), (queued, ends[2]), *((running, end) for end in ends)}


def test_a_cancelled_job_stops_at_its_next_report() -> None:
    seen = []
    job = Job(on_progress=seen.append)
    job.progress("Step", 1, 3, loss=0.5)
    job.cancel()
    with pytest.raises(errors.JobCancelledError):
        job.progress("Step", 2, 3)
    assert [(p.message, p.current, p.maximum, p.figures) for p in seen] == [
        ("Step", 1, 3, {"loss": 0.5}),
        ("Step", 2, 3, {}),
    ]


def test_images_are_frozen_and_keep_what_holds() -> None:
    image = Image(
        np.zeros((2, 3, 4, 5), np.uint16), "tcyx", labels=[str(i) for i in range(6)], scales={"x": Scale(0.5, "µm")}
    )
    with pytest.raises(ValueError, match="read-only"):
        image.pixels[0] = 1
    assert image.with_pixels(np.ones((2, 3, 4, 5))).labels == image.labels
    assert image.with_pixels(np.ones((3, 4, 5)), "cyx").labels == ()
    assert image.with_pixels(np.ones((4, 5)), "yx").scale("x") == Scale(0.5, "µm")
    assert image.ordered("ctzyx").shape == (3, 2, 1, 4, 5)
    with pytest.raises(AxesError, match="leaves out 't'"):
        image.ordered("cyx")


@pytest.mark.parametrize(
    ("pixels", "axes"),
    [(np.zeros((3, 3)), "xy2"), (np.zeros((3, 3)), "yy"), (np.zeros((3, 3)), "zy"), (np.zeros(3), "y")],
)
def test_wrong_axes(pixels: np.ndarray, axes: str) -> None:
    with pytest.raises(AxesError, match="do not describe"):
        Image(pixels, axes)


def test_ambiguous_arrays_ask() -> None:
    with pytest.raises(AxesError, match="time, depth or channels"):
        from_array(np.zeros((3, 4, 5)))


def test_imagej_pixels_never_round_silently() -> None:
    assert imagej_pixels(from_array(np.array([[True, False]]))).pixels.tolist() == [[255, 0]]
    assert imagej_pixels(from_array(np.array([[0, 300]], np.int64))).dtype == np.uint16
    assert imagej_pixels(from_array(np.array([[-1, 300]], np.int32))).dtype == np.int16
    assert imagej_pixels(from_array(np.array([[0, 70000]], np.uint32))).dtype == np.float32
    with pytest.raises(ImageError, match="32-bit float is exact"):
        imagej_pixels(from_array(np.array([[0, 2**24 + 1]], np.uint32)))
