"""Commands and scripts of SciJava, on the thread of their caller: what SciJava only writes to its log, is raised.

Images, tables, numbers and texts are converted; the running itself is Java's (`StrictRun` of the plugin).
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bioimg_fiji.errors import (
    BioimgError,
    EndpointError,
    HeadlessError,
    InputError,
    JobCancelledError,
    MacroError,
    ParameterError,
)
from bioimg_fiji.fiji import datasets, failures, imglib, rois, tables, values
from bioimg_fiji.fiji.convert import to_imageplus
from bioimg_fiji.fiji.inputs import as_image, is_image
from bioimg_fiji.fiji.java import jclass
from bioimg_fiji.image import Image

OURS = "bioimg:"
"""Begins the identifiers of our commands; their ids follow."""

_IMAGEPLUS = "ij.ImagePlus"
_RUN = "io.github.bioimgfiji.scijava.StrictRun"
_MACRO = "ijm"
"""Extension of ImageJ's own macros among the languages."""


def command(gateway: Any, identifier: str) -> Any:
    """Make a module of a command: by its identifier, by the name of its class, else by its title.

    Raises
    ------
    EndpointError
        When there is no SciJava.
    InputError
        When there is no such command; its `fix` names those that are spelt alike.
    """
    service = _gateway(gateway).module()
    known: dict[str, list[Any]] = {}
    for info in service.getModules():
        name, leaf = str(info.getIdentifier()), info.getMenuPath().getLeaf()
        titles = {str(info.getTitle()), "" if leaf is None else str(leaf.getName())}
        for each in {name, name.partition(":")[2], *titles} - {""}:
            known.setdefault(each, []).append(info)
    found = known.get(identifier, [])
    if len(found) == 1:
        return _module(service, found[0])
    if found:
        places = ", ".join(sorted(str(info.getMenuPath().getMenuString()) for info in found)[:5])
        raise InputError(
            f"This Fiji has {len(found)} commands {identifier!r} ({places}, ...).",
            fix="Call it by its title, or by run.",
        )
    near = difflib.get_close_matches(identifier, known)
    hint = f"Did you mean {' or '.join(near)}?" if near else "The search bar of Fiji shows the identifiers."
    raise InputError(f"This Fiji has no command {identifier!r}.", fix=hint)


def script(gateway: Any, language: str, text: str) -> Any:
    """Make a module of a script.

    Raises
    ------
    EndpointError
        When there is no SciJava.
    InputError
        When this Fiji does not have the language.
    """
    service = _gateway(gateway).script()
    extension = Path(language).suffix[1:]
    found = service.getLanguageByExtension(extension) if extension else _language(service, language)
    if found is None:
        names = ", ".join(sorted(str(each.getLanguageName()) for each in service.getLanguages()))
        raise InputError(f"This Fiji runs no scripts in {language!r}.", fix=f"It has {names}.")
    path = language if extension else f"script.{found.getExtensions().get(0)}"
    info = jclass("org.scijava.script.ScriptInfo")(gateway.context(), path, jclass("java.io.StringReader")(text))
    return _module(gateway.module(), info)


def _language(service: Any, name: str) -> Any:
    for each in service.getLanguages():
        if name.lower() in {str(each.getLanguageName()).lower(), *(str(known).lower() for known in each.getNames())}:
            return each
    return None


def is_script(module: Any) -> bool:
    """Whether a module is a script."""
    return isinstance(module, jclass("org.scijava.script.ScriptModule"))


def is_macro(module: Any) -> bool:
    """Whether a script is one in ImageJ's own language."""
    return str(module.getInfo().getPath()).endswith(f".{_MACRO}")


def assign(gateway: Any, module: Any, inputs: Mapping[str, Any]) -> None:
    """Give a module its inputs.

    Raises
    ------
    InputError
        For an input that it does not have, or that cannot become the type that it wants.
    """
    info = module.getInfo()
    ours = str(info.getIdentifier()).startswith(OURS)  # these know older names of their keys, and tell what is wrong
    for name, value in inputs.items():
        item = info.getInput(name)
        if item is None and not ours:
            names = ", ".join(str(each.getName()) for each in info.inputs()) or "none"
            what = "The script" if is_script(module) else str(info.getTitle())
            raise InputError(f"{what} has no input {name!r}.", fix=f"Its inputs are: {names}.")
        module.setInput(name, _to_java(gateway, name, value, None if item is None else item.getType()))
        _check_choice(module, item)
        module.resolveInput(name)


def _check_choice(module: Any, item: Any) -> None:
    choices = [str(each) for each in item.getChoices() or ()] if item is not None and is_script(module) else []
    value = str(module.getInput(item.getName())) if choices else ""
    if choices and value not in choices:
        raise ParameterError.of(str(item.getName()), f"one of {', '.join(choices)}", repr(value))


def run(
    gateway: Any, module: Any, what: str, failure_of: Callable[[], BioimgError | None] = lambda: None
) -> dict[str, Any]:
    """Run a module and give its outputs by name.

    Parameters
    ----------
    gateway
        pyimagej's.
    module
        The module, with its inputs.
    what
        Names it in messages.
    failure_of
        Gives what a command of ImageJ has failed with, where Java's exception says only that it did.

    Raises
    ------
    BioimgError
        Its own error; MacroError with the line, for a script; InputError where it lacks an input; JobCancelledError.
    """
    import jpype

    strict = jclass(_RUN)(gateway.context(), module)
    failure = None
    try:
        strict.run()
    except jpype.JException as thrown:
        failure = thrown
    if is_script(module) and failure is None:
        failure = strict.logged()
    if failure is not None and _exit_code(failure) != 0:
        if not is_script(module):
            raise failures.explain(failure, what) from failure
        canceled = any(failures.is_canceled(each) for each in failures.chain(failure))
        error = (failure_of() if canceled else None) or failures.explain(failure, what)
        raise _script_error(error, failure, module) from error
    _check_stopped(strict, module, what)
    return _outputs(gateway, module)


def run_macro(gateway: Any, module: Any, run_text: Callable[..., str | None]) -> dict[str, Any]:
    """Run a script in ImageJ's own language, by `run_text(text, ended)`: with its errors and their lines.

    An image is given by its ID, and has to be open for that; what was opened for it, is closed.
    """
    strict = jclass(_RUN)(gateway.context(), module)
    strict.prepare()
    _check_stopped(strict, module, "The script")
    info = module.getInfo()
    inputs = {str(item.getName()): module.getInput(item.getName()) for item in info.inputs()}
    opened = [value for value in inputs.values() if _is(value, _IMAGEPLUS) and not _is_open(value)]
    for imp in opened:
        imp.show()
    given = " ".join(f"var {name} = {_literal(value)};" for name, value in inputs.items() if value is not None)
    declared = " ".join(f"var {item.getName()};" for item in info.outputs() if str(item.getName()) not in inputs)

    def ended(interpreter: Any) -> None:
        for item in info.outputs():
            module.setOutput(item.getName(), _variable(gateway, interpreter, item))

    try:
        result = run_text(f"{declared} {given} {info.getProcessedScript()}", ended)
        outputs = _outputs(gateway, module)
    finally:
        for imp in opened:
            imp.changes = False
            imp.close()
    return outputs | ({"result": result} if info.isReturnValueAppended() else {})


def _check_stopped(strict: Any, module: Any, what: str) -> None:
    """Tell why a module did not run to its end; SciJava itself says no more than that it was cancelled."""
    if strict.stopped() is None:
        return
    needed = [str(item.getName()) for item in module.getInfo().inputs() if item.isRequired()]
    missing = [name for name in needed if module.getInput(name) is None]
    if missing:
        fix = f"Give it by its name (on the command line by --arg {missing[0]}=VALUE)."
        raise InputError(f"{what} needs a value for {', '.join(missing)}.", fix=fix)
    raise JobCancelledError(f"{what} was cancelled. {strict.stopped()}".strip())


def _gateway(gateway: Any) -> Any:
    if gateway is None:
        raise EndpointError(
            "Embedded ImageJ has no SciJava: neither its commands nor its scripts.",
            fix="Open a Fiji folder, or sc.fiji:fiji (on the command line: --endpoint); or use run and run_macro.",
        )
    return gateway


def _module(service: Any, info: Any) -> Any:
    module = service.createModule(info)
    if module is None:
        raise InputError(f"{info.getTitle()} cannot be made.", fix="Fiji's log has the details.")
    return module


def _to_java(gateway: Any, name: str, value: Any, kind: Any) -> Any:
    """Give a value as the type that an input wants; without one, as it is."""
    import scyjava

    if imglib.is_imglib(value) and _is_imageplus(kind):
        value = values.to_image(value)  # imagej-legacy's own conversion drops intensities, labels and overlays
    if is_image(value) and _wants_image(kind, value):
        value = _image_to_java(gateway, as_image(value), kind)
    elif tables.is_python(value) or rois.is_python(value):
        value = values.to_java(value, "", gateway)
    elif isinstance(value, list | tuple) and value and all(map(is_image, value)):
        part = None if kind is None else kind.getComponentType()
        value = [_image_to_java(gateway, as_image(each), part) for each in value]
    else:
        value = _exact(value)
    java = scyjava.to_java(str(value) if isinstance(value, Path) else value)
    if kind is None or java is None:
        return java
    converted = gateway.convert().convert(java, kind)
    if converted is None:
        raise ParameterError.of(name, f"of Java's type {kind.getSimpleName()}", value)
    return converted


def _exact(value: Any) -> Any:
    """Give numbers as Java's without loss: scyjava makes the shortest that it holds to be enough, 0.1 as a float."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_exact(each) for each in value]
    return jclass("java.lang.Double")(value) if isinstance(value, float) and not values.is_java(value) else value


def _wants_image(kind: Any, value: Any) -> bool:
    """Whether an input that is given an array wants it as an image, and not as numbers."""
    return kind is None or not isinstance(value, np.ndarray) or _is_imageplus(kind) or _is_dataset(kind)


def _is_imageplus(kind: Any) -> bool:
    return kind is not None and str(kind.getName()) == _IMAGEPLUS


def _is_dataset(kind: Any) -> bool:
    """Whether an input wants a Dataset, or another image of ImgLib2."""
    return kind is not None and bool(jclass(imglib.INTERVAL).class_.isAssignableFrom(kind))


def _image_to_java(gateway: Any, image: Image, kind: Any) -> Any:
    """Give an image as a Dataset where an input wants one, or an image of ImgLib2; else as an ImagePlus."""
    return datasets.to_dataset(gateway, image) if _is_dataset(kind) else to_imageplus(image)


def _outputs(gateway: Any, module: Any) -> dict[str, Any]:
    names = [str(item.getName()) for item in module.getInfo().outputs()]
    return {name: values.to_python(module.getOutput(name), gateway) for name in names}


def _is(value: Any, name: str) -> bool:
    return isinstance(value, jclass(name))


def _is_open(imp: Any) -> bool:
    return jclass("ij.WindowManager").getImage(imp.getID()) is not None


def _literal(value: Any) -> str:
    """Write a value as ImageJ's macro language has it."""
    if _is(value, _IMAGEPLUS):
        return str(value.getID())
    if _is(value, "java.lang.Boolean"):
        return str(value).lower()
    if _is(value, "java.lang.Number"):
        number = float(value.doubleValue())
        if math.isfinite(number):
            return str(value)
        return "NaN" if math.isnan(number) else f"({'' if number > 0 else '-'}1/0)"
    if _is(value, "java.io.File"):
        value = value.getAbsolutePath()
    return json.dumps(str(value), ensure_ascii=False)


def _variable(gateway: Any, interpreter: Any, item: Any) -> Any:
    """Read an output from the variables of a macro that has ended: an image by its ID or title."""
    name, kind = str(item.getName()), item.getType()
    text, number = interpreter.getVariableAsString(name), float(interpreter.getVariable(name))
    if _is_imageplus(kind):
        manager = jclass("ij.WindowManager")
        return manager.getImage(int(number)) if math.isfinite(number) else manager.getImage(text)
    if jclass("java.lang.Number").class_.isAssignableFrom(kind) or kind.isPrimitive():
        return gateway.convert().convert(jclass("java.lang.Double")(number), kind)
    return None if text is None else gateway.convert().convert(text, kind)


def _script_error(error: BioimgError, failure: Any, module: Any) -> BioimgError:
    """Give a script's error, with the line where the language tells it."""
    line = _line(failure, str(module.getInfo().getPath()))
    place = "" if line is None else f" in line {line}"
    details = error.details if line is None else {**error.details, "line": line}
    kind = type(error) if isinstance(error, HeadlessError | JobCancelledError) else MacroError
    code = _exit_code(failure)
    if code is not None:
        return MacroError(f"The script ended itself with status {code}{place}.", **details, status=code)
    message = error.message.removeprefix("The script failed: ")
    return kind(f"The script failed{place}: {message}", fix=error.fix, **details)


def _exit_code(error: Any) -> int | None:
    """Give the number of Jython's `sys.exit`; None for any other error."""
    for each in failures.chain(error):
        found = re.search(r"\bSystemExit(?:: (.*?))?(?: in <.*| in .*? at line.*)?$", str(each.getMessage() or each))
        if found is not None:
            text = (found[1] or "").strip()
            return 0 if text in ("", "0", "None") else int(text) if re.fullmatch(r"-?\d+", text) else 1
    return None


def _line(failure: Any, path: str) -> int | None:
    while failure is not None:
        text = str(failure.toString())
        named = re.findall(rf'File "{re.escape(path)}", line (\d+)', text) or re.findall(r"at line number (\d+)", text)
        if named:
            return int(named[-1])
        for element in failure.getStackTrace():
            if str(element.getFileName()) == path and element.getLineNumber() > 0:
                return int(element.getLineNumber())
        failure = failure.getCause()
    return None
