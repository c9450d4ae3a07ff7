"""One command on one image in a real ImageJ2, in every way that a Python script has; writes a TIFF for each."""

from __future__ import annotations

import sys
from pathlib import Path

import bioimg_fiji
from bioimg_fiji.commands import find

TITLE = "BioImg Run Model..."
SCRIPT = """
#@ ModuleService modules
#@ ImagePlus image
#@ String model
#@output ImagePlus output
var module = modules.createModule(modules.getModuleById("{identifier}"));
module.setInput("image", image);
module.setInput("model", model);
modules.run(module, true).get();
output = module.getOutput("output");
"""


def main(source: Path, model: Path, folder: Path) -> None:
    """Run."""
    image = bioimg_fiji.read_image(source)
    results = {"function": find("run_model").run({"image": image, "model": model}).images["output"]}
    with bioimg_fiji.open_fiji() as fiji:
        assert fiji.gateway is not None, "this is no ImageJ2"
        results["title"] = fiji.run(TITLE, image, model=model).images["output"]
        lines = f'open("{source}");\nrun("{TITLE}", "model=[{model}]");\nsaveAs("Tiff", "{folder / "macro.tif"}");\n'
        fiji.run_macro(lines + 'close("*");\n')
        imp, dataset = fiji.to_fiji(image), fiji.to_fiji(image, "Dataset")
        for name, given in (("command", imp), ("dataset", dataset)):
            results[name] = fiji.run_command("bioimg:run_model", image=given, model=str(model))["output"]
        text = SCRIPT.format(identifier="bioimg:run_model")
        results["script"] = fiji.run_script("JavaScript", text, image=imp, model=str(model))["output"]
    for name, result in results.items():
        bioimg_fiji.write_image(result, folder / f"{name}.tif")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
