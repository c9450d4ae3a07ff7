"""Our commands as those of SciJava, in a real ImageJ2: found once, and with the pixels and errors of the menu's."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import jpype
import numpy as np
import pytest

from bioimg_fiji import commands
from bioimg_fiji.errors import (
    EndpointError,
    InputError,
    JobCancelledError,
    MacroError,
    ModelNotFoundError,
    ParameterError,
)
from bioimg_fiji.fiji import Fiji, convert, datasets, imglib, open_fiji, plugin_jar, scijava
from bioimg_fiji.fiji.java import find_java, jclass
from bioimg_fiji.files import read_image, write_image
from bioimg_fiji.image import Image, Scale
from bioimg_fiji.runtime.fake import write_fake_package
from support.documents import blocks
from support.endpoints import EMBEDDED, ENDPOINT, needs_folder

real = pytest.mark.skipif(EMBEDDED, reason="BIOIMG_FIJI_ENDPOINT names no ImageJ2: embedded ImageJ has no SciJava")

TITLE = "BioImg Run Model..."
RUN_MODEL = "bioimg:run_model"
SCALE = Scale(0.25, "µm")
"""Without an origin: imagej-legacy takes that of a Dataset for pixels, where it is in units."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("scijava") / "fake.zip"
    write_fake_package(path)
    return str(path)


@pytest.fixture
def image() -> Image:
    pixels = np.random.default_rng(8).random((40, 50), np.float32)
    return Image(pixels, "yx", title="cells.tif", scales={"x": SCALE, "y": SCALE})


@pytest.fixture
def expected(fiji: Fiji, model: str, image: Image) -> Image:
    """What the menu's command gives."""
    output: Image = fiji.run(TITLE, image, model=model).images["output"]
    assert not np.array_equal(output.pixels, image.pixels)
    return output


def check(got: Any, expected: Image) -> None:
    """Compare pixels bit for bit, and what is known about them."""
    image = got if isinstance(got, Image) else _image(got)
    assert image.pixels.dtype == expected.pixels.dtype
    assert np.array_equal(image.pixels, expected.pixels)
    assert image.scales == expected.scales == {"x": SCALE, "y": SCALE}


def _image(java: Any) -> Image:
    return datasets.to_image(java) if imglib.is_imglib(java) else convert.to_image(java)


def search(fiji: Fiji, text: str) -> list[str]:
    """Give what Fiji's search bar lists."""
    plugins = fiji.gateway.plugin()
    searcher = plugins.createInstance(plugins.getPlugin("org.scijava.search.module.ModuleSearcher"))
    return [str(found.name()) for found in searcher.search(text, False)]


@real
def test_the_search_bar_finds_every_command_once(fiji: Fiji) -> None:
    titles = [each.title for each in commands.load_commands().values()]
    assert len(titles) >= 7
    found = search(fiji, "BioImg")
    assert {title: found.count(title) for title in titles} == dict.fromkeys(titles, 1)
    assert {name for name in found if name.rstrip(".") in {title.rstrip(".") for title in titles}} == set(titles)
    for each in commands.load_commands().values():
        info = fiji.gateway.module().getModuleById(f"bioimg:{each.id}")
        assert str(info.getMenuPath().getMenuString()) == f"{each.menu}>{each.title}".replace(">", " > ")


@real
def test_a_model_that_is_pinned_is_found_and_run(
    fiji: Fiji, model: str, image: Image, expected: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIOIMG_FIJI_HOME", str(tmp_path))
    fiji.run("BioImg Models...", action="add", source=model)
    fiji.run("BioImg Models...", action="pin", source="fake-model")
    (pinned,) = (each for each in commands.load_commands().values() if each.title.startswith("BioImg: "))
    assert search(fiji, pinned.title) == [pinned.title]
    check(fiji.run_command(f"bioimg:{pinned.id}", image=image)["output"], expected)
    fiji.run("BioImg Models...", action="unpin", source="fake-model")
    assert search(fiji, pinned.title) == []


@real
@pytest.mark.parametrize("kind", ["ImagePlus", "Dataset"])
@pytest.mark.parametrize("service", ["command", "module"])
def test_services_take_both_kinds_of_image(
    fiji: Fiji, model: str, image: Image, expected: Image, service: str, kind: str
) -> None:
    ij = fiji.gateway
    given = fiji.to_fiji(image) if kind == "ImagePlus" else datasets.to_dataset(ij, image)
    target = RUN_MODEL if service == "command" else ij.module().getModuleById(RUN_MODEL)
    module = getattr(ij, service)().run(target, True, "image", given, "model", model).get()
    output = module.getOutput("output")
    check(output, expected)
    check(ij.convert().convert(output, jclass("net.imagej.Dataset")), expected)
    assert str(output.getTitle()) == expected.title
    assert set(map(str, module.getOutputs().keySet())) == {"output", "images", "tables", "figures", "files", "notes"}


@real
@pytest.mark.parametrize("kind", ["ImagePlus", "Dataset"])
def test_pyimagej_runs_it_as_a_plugin(fiji: Fiji, model: str, image: Image, expected: Image, kind: str) -> None:
    ij = fiji.gateway
    imp = fiji.to_fiji(image) if kind == "ImagePlus" else ij.py.to_imageplus(datasets.to_dataset(ij, image))
    imp.show()
    ij.py.run_plugin(TITLE, {"model": model}, imp=imp)
    assert fiji.images() == ["cells.tif", expected.title]
    check(jclass("ij.WindowManager").getImage(expected.title), expected)


SCRIPTS = {
    "JavaScript": """#@ CommandService command
#@ ImagePlus image
#@ String model
#@output ImagePlus output
#@output Boolean cancelled
var module = command.run("bioimg:run_model", true, "image", image, "model", model).get();
output = module.getOutput("output");
cancelled = module.isCanceled();
""",
    "Jython": """#@ ModuleService modules
#@ Dataset image
#@ String model
#@output ImagePlus output
#@output Boolean cancelled
info = modules.getModuleById("bioimg:run_model")
module = modules.run(info, True, ["image", image, "model", model]).get()
output = module.getOutput("output")
cancelled = module.isCanceled()
""",
    "ijm": """#@ ImagePlus image
#@ String model
#@output ImagePlus output
#@output Boolean cancelled
selectImage(image);
run("BioImg Run Model...", "model=[" + model + "]");
output = getImageID();
cancelled = false;
""",
}


@real
@pytest.mark.parametrize("language", SCRIPTS)
def test_scripts_with_parameters_run_it(fiji: Fiji, model: str, image: Image, expected: Image, language: str) -> None:
    name = "script.ijm" if language == "ijm" else language
    outputs = fiji.run_script(name, SCRIPTS[language], image=image, model=model)
    check(outputs["output"], expected)
    assert outputs["cancelled"] is False


@real
def test_the_script_in_the_documentation_runs(fiji: Fiji, model: str, image: Image, expected: Image) -> None:
    (text,) = (each for each in blocks("docs/fiji.md") if each.startswith("#@"))
    check(fiji.run_script("Jython", text, image=image, model=model)["output"], expected)


@real
def test_run_command_gives_what_run_gives(fiji: Fiji, model: str, image: Image) -> None:
    labels = fiji.run(TITLE, image, model=model, labels=True, table=True)
    for name in (RUN_MODEL, TITLE):
        outputs = fiji.run_command(name, image=image, model=Path(model), labels=True, table=True)
        assert outputs["images"].keys() == labels.images.keys()
        for key, expected in labels.images.items():
            assert np.array_equal(outputs["images"][key].pixels, expected.pixels)
        assert outputs["tables"].keys() == labels.tables.keys()
        assert outputs["figures"].keys() == {k for k, v in labels.figures.items() if v is not None}
    assert fiji.images() == []


@real
def test_parameters_are_those_of_the_schema(fiji: Fiji) -> None:
    kinds = {"string": ("String", "File"), "integer": ("Long",), "number": ("Double",), "boolean": ("Boolean",)}
    for each in commands.describe_all():
        info = fiji.gateway.module().getModuleById(f"bioimg:{each['id']}")
        properties = each["schema"]["properties"]
        items = {str(item.getName()): item for item in info.inputs()}
        assert list(items) == sorted(properties, key=lambda key: properties[key]["x-order"])
        assert str(info.getDescription()) == each["help"]
        for key, entry in properties.items():
            item, kind = items[key], str(items[key].getType().getSimpleName())
            image = "ImagePlus[]" if entry.get("x-images") else "ImagePlus" if entry.get("x-image") else ""
            assert kind == image or (not image and kind in kinds[entry["type"]]), (each["id"], key)
            default = item.getDefaultValue()
            assert (default is None) == (entry.get("default") in (None, "")), (each["id"], key)
            assert default is None or str(default).lower() == str(entry["default"]).lower()
            assert [str(choice) for choice in item.getChoices()] == entry.get("enum", [])
            for limit, value in (("minimum", item.getMinimumValue()), ("maximum", item.getMaximumValue())):
                assert (None if value is None else float(value)) == entry.get(limit)
            assert str(item.getDescription()).startswith(entry["description"])
            assert not item.isPersisted()


@real
def test_no_value_is_kept(fiji: Fiji, model: str, image: Image) -> None:
    fiji.gateway.command().run(RUN_MODEL, True, "image", fiji.to_fiji(image), "model", model, "tile", 64).get()
    prefs = fiji.gateway.prefs()
    info = fiji.gateway.module().getModuleById(RUN_MODEL)
    for item in info.inputs():
        assert prefs.get(info.loadDelegateClass(), item.getName()) is None


@real
def test_errors_are_the_commands_own(fiji: Fiji, model: str, image: Image) -> None:
    import jpype

    with pytest.raises(ModelNotFoundError, match="no model 'nowhere'") as missing:
        fiji.run_command(RUN_MODEL, image=image, model="nowhere")
    with pytest.raises(ModelNotFoundError) as by_menu:
        fiji.run(TITLE, image, model="nowhere")
    assert missing.value.to_json() == by_menu.value.to_json()
    with pytest.raises(ParameterError, match='no key "modle"'):
        fiji.run_command(RUN_MODEL, image=image, modle=model)
    with pytest.raises(ParameterError, match="tile must be at least 0"):
        fiji.run_command(RUN_MODEL, image=image, model=model, tile=-1)
    with pytest.raises(ParameterError, match="model is missing"):
        fiji.run_command(RUN_MODEL, image=image)
    with pytest.raises(jpype.JException) as java:
        fiji.gateway.command().run(RUN_MODEL, True, "image", fiji.to_fiji(image), "model", "nowhere").get()
    assert "There is no model 'nowhere'" in str(java.value.getCause().getCause().getMessage())


@real
def test_what_scijava_only_logs_is_raised(fiji: Fiji, model: str, image: Image) -> None:
    with pytest.raises(InputError, match="needs a value for file"):
        fiji.run_script("JavaScript", "#@ File(persist=false) file\n#@output String s\ns = 'x';")
    with pytest.raises(MacroError, match="line 3") as failed:
        fiji.run_script("JavaScript", "#@output String s\ns = 'x';\nnothing.at.all();\n")
    assert failed.value.details["line"] == 3
    with pytest.raises(MacroError, match=r"ZeroDivisionError|by zero") as divided:
        fiji.run_script("count.py", "#@output Integer n\nn = 1\nn = n / 0\n")
    assert divided.value.details["line"] == 3
    with pytest.raises(MacroError) as macro:
        fiji.run_script("x.ijm", '#@ Integer n\nn = n + 1;\nexit("too many");\n', n=1)
    assert macro.value.details["line"] == 3
    with pytest.raises(InputError, match="no input 'm'"):
        fiji.run_script("x.ijm", "#@ Integer n\n", m=1)
    with pytest.raises(InputError, match="of Java's type Integer"):
        fiji.run_script("x.ijm", "#@ Integer n\n", n="many")
    with pytest.raises(InputError, match="runs no scripts in 'Cobol'") as unknown:
        fiji.run_script("Cobol", "")
    assert "Jython" in unknown.value.fix or "Python" in unknown.value.fix
    with pytest.raises(InputError, match="no command"):
        fiji.run_command("bioimg:run_modle")


HANDLED = """#@ LogService log
#@output Integer n
try { java.lang.Integer.parseInt("x"); } catch (error) { log.warn(error); log.error("odd", error); log.error(error); }
n = 5;
"""


@real
def test_an_error_that_a_script_has_handled_is_none(fiji: Fiji) -> None:
    assert fiji.run_script("JavaScript", HANDLED) == {"n": 5}
    lines = ["#@ LogService log", "#@output Integer n", "from java.lang import Integer, Throwable", "try:"]
    lines += ["    Integer.parseInt('x')", "except Throwable as error:", "    log.error(error)", "n = 5", ""]
    assert fiji.run_script("Jython", "\n".join(lines)) == {"n": 5}
    with pytest.raises(MacroError, match="line 5") as failed:
        fiji.run_script("JavaScript", HANDLED + "nothing.at.all();\n")
    assert "ReferenceError" in str(failed.value), "its own error, and not the one before"


@real
def test_a_script_that_another_one_runs_fails_alone(fiji: Fiji) -> None:
    lines = ["#@ Context context", "#@ ModuleService modules", "#@output Integer n"]
    lines += ['var text = new java.io.StringReader("no();");']
    lines += ['modules.createModule(new org.scijava.script.ScriptInfo(context, "in.js", text)).run();', "n = 5;", ""]
    assert fiji.run_script("JavaScript", "\n".join(lines)) == {"n": 5}


def test_who_hears_of_the_commands_may_ask_for_them_on_another_thread(fiji: Fiji) -> None:
    """In Java it is the thread of the windows that is waited for."""
    ended = []

    def accept(_: Any) -> None:
        thread = threading.Thread(target=fiji._menu.update, args=(commands.load_commands().values(),), daemon=True)
        thread.start()
        thread.join(5)
        ended.append(not thread.is_alive())

    known = jclass("io.github.bioimgfiji.options.KnownCommands")
    listener = jpype.JProxy("java.util.function.Consumer", dict={"accept": accept})
    known.listen(listener)
    try:
        fiji._menu.update([])
        fiji._menu.update(commands.load_commands().values())
    finally:
        known.unlisten(listener)
    assert ended
    assert all(ended)


def test_the_menu_is_as_before_when_the_session_has_closed() -> None:
    with open_fiji(ENDPOINT) as session:
        session.run_macro("")
        assert "HiddenManager" in str(jclass("ij.Menus").getCommands().get("ROI Manager..."))
        session.run_macro('run("ROI Manager...");')
    table = jclass("ij.Menus").getCommands()
    assert not [str(each) for each in table.values() if str(each).startswith("io.github.bioimgfiji.headless")]
    with open_fiji(ENDPOINT) as session:
        assert session.run_macro('run("ROI Manager..."); return "" + RoiManager.size;') == "0"


@real
def test_a_script_tells_the_error_of_our_command(fiji: Fiji, image: Image) -> None:
    text = "#@ CommandService c\n#@ Dataset d\nvar n = 1;\n"
    call = 'c.run("bioimg:run_model", true, "image", d, "model", "nowhere").get();\n'
    with pytest.raises(MacroError, match="The script failed in line 4: There is no model 'nowhere'") as failed:
        fiji.run_script("JavaScript", text + call, d=image)
    assert failed.value.details["line"] == 4
    assert isinstance(failed.value.__cause__, ModelNotFoundError)


@real
def test_values_of_scripts_come_back(fiji: Fiji, image: Image) -> None:
    script = (
        "#@ Double a\n#@ Boolean b\n#@ String s\n#@output Double twice\n#@output String text\n#@output Boolean no\n"
    )
    outputs = fiji.run_script(
        "JavaScript", script + "twice = 2 * a; text = s + '!'; no = !b;", a=1.5, b=True, s='a "b"'
    )
    assert outputs == {"twice": 3.0, "text": 'a "b"!', "no": False}
    outputs = fiji.run_script("x.ijm", script + "twice = 2 * a; text = s + '!'; no = !b;", a=-1.5, b=True, s='a "b"')
    assert outputs == {"twice": -3.0, "text": 'a "b"!', "no": False}
    assert fiji.run_script("JavaScript", "6 * 7")["result"] == 42
    plane = "#@ Dataset data\n#@output Dataset data2\ndata2 = data.duplicate();"
    check(fiji.run_script("JavaScript", plane, data=image)["data2"], image)


@real
def test_a_cancelled_module_stops_the_command(fiji: Fiji, model: str) -> None:
    module = fiji.gateway.module().createModule(fiji.gateway.module().getModuleById(RUN_MODEL))
    module.cancel("enough")
    scijava.assign(fiji.gateway, module, {"image": Image(np.zeros((64, 64), np.float32), "yx"), "model": model})
    with pytest.raises(JobCancelledError, match="enough"):
        scijava.run(fiji.gateway, module, "It")
    assert module.getOutput("output") is None


LONE_SCRIPT = """#@ ModuleService modules
#@ CommandService command
#@ PluginService plugins
#@ File(persist=false) source
#@ String(persist=false) model
#@ File(persist=false) report
var lines = [], all = modules.getModules();
for (var i = 0; i < all.size(); i++) {
    var name = "" + all.get(i).getIdentifier();
    if (name.indexOf("bioimg") >= 0) lines.push(name);
}
var searcher = plugins.createInstance(plugins.getPlugin("org.scijava.search.module.ModuleSearcher"));
var found = searcher.search("BioImg", false);
for (var i = 0; i < found.size(); i++) lines.push("found " + found.get(i).name());
lines.push(Java.type("io.github.bioimgfiji.backend.Backends").status());
var inputs = [];
for each (var item in modules.getModuleById("bioimg:run_model").inputs()) inputs.push("" + item.getName());
lines.push(inputs.join(" "));
var image = Java.type("ij.IJ").openImage(source.getPath());
try {
    var module = command.run("bioimg:run_model", true, "image", image, "model", model).get();
    Java.type("ij.IJ").saveAsTiff(module.getOutput("output"), report.getPath() + ".tif");
    command.run("bioimg:run_model", true, "image", image, "model", "nowhere").get();
} catch (error) {
    lines.push("" + error.getCause().getCause());
}
Java.type("io.github.bioimgfiji.backend.Backends").close();
Java.type("java.nio.file.Files").write(report.toPath(), Java.to(lines, "java.util.List"));
"""


@needs_folder
@pytest.mark.timeout(180)
def test_an_imagej2_that_starts_alone_has_them_and_starts_no_server(
    model: str, image: Image, expected: Image, tmp_path: Path
) -> None:
    script, source, report = tmp_path / "lone.js", tmp_path / "cells.tif", tmp_path / "report"
    script.write_text(LONE_SCRIPT, "utf-8")
    write_image(image, source)
    arguments = f"source='{source}', model='{model}', report='{report}'"
    environment = os.environ | {
        "BIOIMG_FIJI_CONNECTION": str(tmp_path / "connection.json"),
        "BIOIMG_FIJI_PYTHON": sys.executable,
    }
    folder = Path(ENDPOINT)
    jars = os.pathsep.join([str(plugin_jar()), str(folder / "jars" / "*"), str(folder / "plugins" / "*")])
    program = [find_java(folder).home / "bin" / "java", "--add-opens=java.base/java.lang=ALL-UNNAMED"]
    options = ["-Djava.awt.headless=true", f"-Dimagej.dir={folder}", f"-Duser.home={tmp_path}", "-cp", jars]
    ended = subprocess.run(
        [*program, *options, "net.imagej.Main", "--headless", "--run", str(script), arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert report.is_file(), ended.stdout + ended.stderr
    *names, status, inputs, error = report.read_text("utf-8").splitlines()
    builtin = {each["id"] for each in commands.describe_all()}
    assert {name for name in names if name.startswith("bioimg:")} == {f"bioimg:{name}" for name in builtin}
    assert not [name for name in names if "BioImg_Command" in name]
    found = [name.removeprefix("found ") for name in names if name.startswith("found ")]
    titles = [each["title"] for each in commands.describe_all()]
    assert {title: found.count(title) for title in titles} == dict.fromkeys(titles, 1)
    assert status == "not running", "neither starting ImageJ2 nor a search starts a server"
    properties = next(each for each in commands.describe_all() if each["id"] == "run_model")["schema"]["properties"]
    assert inputs.split() == sorted(properties, key=lambda key: properties[key]["x-order"]), "asking for inputs does"
    assert "There is no model 'nowhere'" in error
    check(read_image(Path(f"{report}.tif")), expected)


@pytest.mark.skipif(not EMBEDDED, reason="BIOIMG_FIJI_ENDPOINT names a Fiji, which has SciJava")
def test_embedded_imagej_says_that_it_has_none(fiji: Fiji) -> None:
    with pytest.raises(EndpointError, match="no SciJava"):
        fiji.run_command(RUN_MODEL)
    with pytest.raises(EndpointError, match="no SciJava"):
        fiji.run_script("JavaScript", "1")
