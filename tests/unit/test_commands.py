"""One declaration gives the schema, the macro line and the checks."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bioimg_fiji import commands
from bioimg_fiji.commands import ImageInput, Parameters, Result, Table, key, macro, registry
from bioimg_fiji.commands.chooser import suggestions
from bioimg_fiji.errors import (
    InputError,
    ModelNotFoundError,
    ParameterError,
    ProtocolError,
    UnknownCommandError,
    UnknownKeyError,
)
from bioimg_fiji.fiji import menu
from bioimg_fiji.files import read_image, write_image
from bioimg_fiji.image import Image, from_array
from bioimg_fiji.jobs import Job
from bioimg_fiji.package import open_package, store
from bioimg_fiji.runtime.fake import FakeModel, write_fake_package


class Blur(Parameters):
    image: ImageInput = key(title="Image", help="What to blur.")
    sigma: float = key(1.5, gt=0, le=100, title="Sigma", unit="pixels", help="Width.", aliases=("radius",))
    passes: int | None = key(None, ge=1, title="Passes", help="How often.", expert=True)
    target: Path = key(title="Target", widget="save", suffix=".tif", help="Where.")
    fast: bool = key(False, title="Fast", help="Less exact.")


IMAGE = from_array(np.zeros((4, 4), np.uint8))


def test_schema_says_all_that_a_dialog_needs() -> None:
    schema = commands.parameters.schema(Blur)
    assert schema["required"] == ["target"]
    assert schema["additionalProperties"] is False
    sigma = schema["properties"]["sigma"]
    assert sigma == {
        "type": "number",
        "title": "Sigma",
        "description": "Width.",
        "default": 1.5,
        "exclusiveMinimum": 0,
        "maximum": 100,
        "x-order": 1,
        "x-unit": "pixels",
        "x-aliases": ["radius"],
    }
    passes = schema["properties"]["passes"]
    assert passes["type"] == "integer"
    assert passes["x-optional"] is True
    assert passes["x-expert"] is True
    assert "default" not in passes
    assert schema["properties"]["image"]["x-image"] is True
    assert schema["properties"]["target"]["x-widget"] == "save"
    assert Blur.image_keys() == ["image"]


def test_strings_of_a_macro_line_are_understood() -> None:
    values = Blur.parse({"image": IMAGE, "radius": "2.5", "passes": "", "target": "/a b.tif", "fast": "true"})
    assert isinstance(values, Blur)
    assert (values.sigma, values.passes, values.target, values.fast) == (2.5, None, Path("/a b.tif"), True)


@pytest.mark.parametrize(
    ("values", "error", "text"),
    [
        ({"sigmas": 1}, UnknownKeyError, "Did you mean sigma"),
        ({"sigma": "wide"}, ParameterError, "sigma.*number"),
        ({"sigma": 0}, ParameterError, "above 0"),
        ({"sigma": "nan"}, ParameterError, "sigma"),
        ({"sigma": 1, "radius": 2}, ParameterError, "twice"),
        ({"passes": 1.5}, ParameterError, "passes"),
        ({"target": None}, ParameterError, "target"),
    ],
)
def test_wrong_values_name_field_expected_and_got(
    values: dict[str, Any], error: type[ParameterError], text: str
) -> None:
    with pytest.raises(error, match=text) as caught:
        Blur.parse({"image": IMAGE, "target": "x.tif"} | values)
    assert caught.value.details["field"] in [*values]


def test_missing_values() -> None:
    with pytest.raises(ParameterError, match="target is missing"):
        Blur.parse({"image": IMAGE})
    with pytest.raises(ParameterError, match=r"image is missing \(an image\)"):
        Blur.parse({"target": "x.tif"})


def test_a_command_is_one_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_commands", {})
    monkeypatch.setattr(registry, "_loaded", True)

    @commands.command(id="blur", title="BioImg Blur...", menu="Plugins>BioImg")
    def blur(parameters: Blur, job: Job) -> Result:
        """Blur an image."""
        job.progress("Blurring", 1, 1)
        return Result(images={"output": parameters.image}, figures={"sigma": parameters.sigma})

    found = commands.find("BioImg Blur")
    assert found is commands.find("blur") is commands.find("BioImg Blur...")
    assert found.run({"image": IMAGE, "target": "x"}).figures == {"sigma": 1.5}
    assert macro.record(found, {"target": "a b.tif"}) == "sigma=1.5 passes=[] target=[a b.tif] fast=false server=local "
    assert found.describe()["help"] == "Blur an image."
    with pytest.raises(UnknownCommandError, match="Did you mean blur"):
        commands.find("blurr")
    with pytest.raises(InputError, match="begin with BioImg"):
        commands.command(id="x", title="Blur", menu="Plugins")(blur)


def test_many_images_are_a_batch_and_one_is_a_run() -> None:
    evaluate = commands.find("evaluate")
    for values in ({}, {"source": ""}, {"source": None}, {"truth_source": "folder"}):
        assert evaluate.work_of(values) == "run"
    assert evaluate.work_of({"source": "folder"}) == evaluate.work_of({"source": Path("list.txt")}) == "batch"
    assert commands.find("run_batch").work_of({}) == "batch"


def test_builtin_schemas_are_golden(contract: Path) -> None:
    """Keys are what recorded macros hold: they change by intention only, with the golden file."""
    golden = contract / "commands.json"
    assert json.loads(golden.read_text("utf-8")) == {"commands": commands.describe_all()}


def test_the_menu_in_the_guide_has_every_command(contract: Path) -> None:
    """Under *The menu*, by the title that the menu shows; those of a sub-menu with its name before it."""
    guide = (contract.parents[1] / "docs/fiji.md").read_text("utf-8")
    table = guide.partition("## The menu")[2].partition("\n## ")[0]
    told = {line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")}
    entries = {
        " > ".join([*command["menu"].split(">")[2:], command["title"]])
        for command in json.loads((contract / "commands.json").read_text("utf-8"))["commands"]
    }
    assert "BioImg Run Model..." in entries
    assert entries - told == set()


def test_plugins_config_lists_the_registry(contract: Path) -> None:
    config = (contract.parents[1] / "fiji-plugin/src/main/resources/plugins.config").read_text("utf-8")
    assert config == menu.plugins_config(), "run scripts/golden"
    lines = [line for line in config.splitlines() if not line.startswith("#")]
    java = "io.github.bioimgfiji.command.BioImg_Command"
    for each in commands.describe_all():
        assert f'{each["menu"]}, "{each["title"]}", {java}("{each["id"]}")' in lines
        assert f'Help>About Plugins, "{each["title"].rstrip(".")}", {java}("{each["id"]}")' in lines
    shown = [line.split('"')[1] for line in lines if line.startswith("Plugins>BioImg,")]
    assert shown == [
        "BioImg Run Model...",
        "BioImg Run on File...",
        "BioImg Batch...",
        "BioImg Evaluate...",
        "BioImg Calibrate Confidence...",
        "BioImg Error Map...",
        "BioImg Explain...",
        "BioImg Feature Maps...",
        "BioImg Benchmark...",
        "BioImg Models...",
        "BioImg Macro Extensions",
        "BioImg Server...",
        "BioImg Check Installation",
        "BioImg Help",
    ]
    assert sum(line.startswith("Plugins>BioImg>Train,") for line in lines) == 3


def test_golden_macro_lines(contract: Path) -> None:
    cases = json.loads((contract / "macro_lines.json").read_text("utf-8"))
    assert len(cases) > 10
    for case in cases:
        if "error" in case:
            with pytest.raises(ParameterError):
                macro.parse_line(case["line"])
            continue
        values = macro.parse_line(case["line"])
        assert values == case["values"]
        assert macro.format_line(values) == case["canonical"]
        assert macro.parse_line(case["canonical"]) == values


def test_golden_recorded_lines(contract: Path) -> None:
    for case in json.loads((contract / "recorded_lines.json").read_text("utf-8")):
        command = commands.find(case["command"])
        assert macro.record(command, case["values"]) == case["line"]
        assert macro.parse_line(case["line"]).items() >= case["values"].items()


def test_golden_image_headers(contract: Path) -> None:
    paths = sorted((contract / "image_headers").glob("*.json"))
    assert paths
    for path in paths:
        header = json.loads(path.read_text("utf-8"))
        pixels = np.zeros(header["shape"], header["dtype"])
        assert Image.from_header(header, pixels).header() == header, path.name


def test_results_survive_json() -> None:
    result = Result(
        tables={"objects": Table(("area", "label"), ((12.5, 1), (None, 2)), ("µm²", ""))},
        figures={"psnr": 31.5, "method": "n2v"},
        files={"model": Path("/tmp/a.zip")},
        notes=("one",),
    )
    for each in (result, dataclasses.replace(result, partial=True)):
        assert Result.from_json(json.loads(json.dumps(each.to_json())), {}) == each


def test_results_tell_the_macro_line_that_gives_them_again(tmp_path: Path) -> None:
    write_fake_package(tmp_path / "my model.zip")
    entry = store.add(open_package(tmp_path / "my model.zip"), "fox")
    image = Image(np.random.default_rng(0).normal(9, 1, (40, 40)).astype(np.float32), "yx")
    first = registry.find("run_model").run({"image": image, "model": str(tmp_path / "my model.zip"), "tile": 16})
    told = first.images["output"].properties["BioImg Macro"]
    start, line = told.removesuffix('");').split('", "')
    assert start == 'run("BioImg Run Model...'
    assert f"model=[{tmp_path / 'my model.zip'}]" in line
    again = registry.find("run_model").run({"image": image, **macro.parse_line(line)})
    assert np.array_equal(again.images["output"].pixels, first.images["output"].pixels)
    named = registry.find("run_model").run({"image": image, "model": "fox"}).images["output"]
    assert f"model={entry.name} " in named.properties["BioImg Macro"]
    read = read_image(write_image(named, tmp_path / "result.tif"))
    assert read.properties["BioImg Macro"] == named.properties["BioImg Macro"]


def test_models_of_a_list_are_told_as_a_model_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_fake_package(tmp_path / "a.zip")
    entry = store.add(open_package(tmp_path / "a.zip"), "fox")
    monkeypatch.chdir(tmp_path)
    for id_ in ("run_model", "run_file", "run_batch", "calibrate"):
        assert registry.find(id_).describe()["schema"]["properties"]["ensemble"]["x-widget"] == "models", id_
    command = registry.find("benchmark")
    given = command.parameters.parse({"suite": "x", "models": "a.zip; fox;other"})
    assert f"models={tmp_path / 'a.zip'};{entry.name};other " in macro.line(command, given)


def test_the_models_of_the_store_are_suggested(tmp_path: Path) -> None:
    assert "x-suggestions" not in commands.find("run_model").describe()["schema"]["properties"]["model"]
    write_fake_package(tmp_path / "model.zip")
    name = commands.find("models").run({"action": "add", "source": str(tmp_path / "model.zip"), "nickname": "mean"})
    properties = commands.find("run_model").describe()["schema"]["properties"]
    assert properties["model"]["x-suggestions"] == [name.figures["model"]]
    assert str(name.figures["model"]).startswith("mean@")


def test_a_pinned_model_is_a_command(tmp_path: Path) -> None:
    write_fake_package(tmp_path / "model.zip")
    entry = store.add(open_package(tmp_path / "model.zip"), "red-fox")
    models = commands.find("models")
    assert models.run({"action": "pin", "source": "red-fox"}).notes == ("Pinned. Run it as BioImg: red-fox",)
    pinned = commands.find("BioImg: red-fox")
    assert (pinned.id, pinned.menu) == ("pinned_red_fox", "Plugins>BioImg")
    described = next(each for each in commands.describe_all() if each["id"] == "pinned_red_fox")
    assert described["schema"]["properties"]["model"]["default"] == entry.name
    assert described["schema"]["required"] == []
    image = Image(np.random.default_rng(0).normal(9, 1, (40, 40)).astype(np.float32), "yx")
    result = pinned.run({"image": image}).images["output"]
    assert f'run("BioImg: red-fox", "model={entry.name} ' in result.properties["BioImg Macro"]
    by_path = commands.find("run_model").run({"image": image, "model": str(tmp_path / "model.zip")}).images["output"]
    assert np.array_equal(result.pixels, by_path.pixels)
    assert "pinned_red_fox" not in menu.plugins_config()
    models.run({"action": "unpin", "source": "red-fox"})
    with pytest.raises(UnknownCommandError):
        commands.find("BioImg: red-fox")
    with pytest.raises(ModelNotFoundError, match="is not pinned"):
        models.run({"action": "unpin", "source": "red-fox"})


def test_a_pin_never_shadows_a_command_and_goes_with_its_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_fake_package(tmp_path / "model.zip")
    store.add(open_package(tmp_path / "model.zip"), "fox")
    models = commands.find("models")
    models.run({"action": "pin", "source": "fox"})
    with pytest.raises(InputError, match="one of a pinned model"):
        commands.command(id="fox", title="BioImg: fox", menu="Plugins>BioImg")(models.function)
    real = registry._commands["run_file"]
    with monkeypatch.context() as patch:
        patch.setitem(registry._commands, "pinned_fox", real)
        assert commands.load_commands()["pinned_fox"] is real
    models.run({"action": "remove", "source": "fox"})
    assert not [each for each in commands.load_commands() if each.startswith("pinned")]


def test_the_chooser_tells_what_a_model_is_and_whether_it_fits(small_model: Path) -> None:
    entry = store.add(open_package(small_model), "small")
    header = {"title": "a", "axes": "yx", "shape": [64, 64], "dtype": "uint16"}
    (found,) = suggestions(header)
    assert (found.name, found.task, found.axes, found.fits, found.why) == (entry.name, "denoising", "cyx", True, "")
    assert found.title == open_package(small_model).name
    (unasked,) = suggestions()
    assert unasked.fits is None
    with pytest.raises(ProtocolError, match="damaged"):
        suggestions({"axes": "yx"})


def test_the_chooser_tells_why_a_model_does_not_fit(tmp_path: Path) -> None:
    write_fake_package(tmp_path / "model.zip", FakeModel(axes="czyx"))
    store.add(open_package(tmp_path / "model.zip"), "deep")
    (found,) = suggestions({"title": "a", "axes": "tyx", "shape": [5, 64, 64], "dtype": "uint8"})
    assert found.fits is False
    assert "needs the axis 'z'" in found.why
    assert "axes=zyx" in found.why
