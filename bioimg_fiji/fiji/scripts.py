"""SciJava scripts (Jython, JavaScript, Groovy, ...) and macros with `#@` parameters, where there is an ImageJ2.

SciJava itself prints what a script fails with and goes on, and takes values that somebody typed last week for
parameters that nobody has given: here a failure is an exception, and a missing value too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from bioimg_fiji.errors import (
    BioimgError,
    EndpointError,
    FijiError,
    HeadlessError,
    InputError,
    JobCancelledError,
    MacroError,
    ParameterError,
)
from bioimg_fiji.fiji import failures
from bioimg_fiji.fiji.java import jclass

MACROS = (".ijm", ".txt", "")
"""Endings of macros; `.ijm` is ImageJ's own, without one it is a macro too."""

_PARAMETERS = re.compile(r"^\s*(//|#)?\s*#@", re.MULTILINE)
_PREFERENCES = ("LoadInputsPreprocessor", "SaveInputsPreprocessor", "CheckInputsPreprocessor")
"""What fills parameters from the last run, and what refuses those that are left: with other words, below."""


@dataclass(frozen=True)
class Script:
    """A script whose parameters have their values."""

    info: Any
    module: Any


def is_macro(path: PurePath) -> bool:
    """Tell whether a file is in ImageJ's macro language, by its ending."""
    return path.suffix.lower() in MACROS


def is_script(path: PurePath, text: str) -> bool:
    """Tell whether a file is for SciJava: in another language than ImageJ's, or with `#@` parameters."""
    return not is_macro(path) or _PARAMETERS.search(text) is not None


def read_text(path: Path) -> str:
    """Read a macro or script (UTF-8).

    Raises
    ------
    InputError
        When it cannot be read.
    """
    try:
        return path.read_text("utf-8", "replace")
    except OSError as error:
        raise InputError(f"The macro {path} cannot be read: {error.strerror}.", fix="Check the path.") from error


def prepare(gateway: Any, path: PurePath, text: str, values: Mapping[str, str]) -> Script:
    """Read a script's parameters and give them their values: those of `values`, services, the active image, defaults.

    Raises
    ------
    EndpointError
        When this Fiji runs no scripts, or none of this language.
    ParameterError
        When a value is missing, unknown, or of another type.
    """
    import jpype

    if gateway is None:
        raise EndpointError(
            f"{path} is a SciJava script, or a macro with #@ parameters, and embedded ImageJ runs macros only.",
            fix="Open a Fiji: endpoint=/path/to/Fiji.app (or --endpoint).",
        )
    context = gateway.getContext()
    name = str(path) if path.suffix.lower() not in ("", ".txt") else f"{path}.ijm"
    service = context.service("org.scijava.script.ScriptService")
    if service.getLanguageByExtension(PurePath(name).suffix[1:]) is None:
        known = sorted(str(ending) for each in service.getLanguages() for ending in each.getExtensions())
        raise EndpointError(
            f"This Fiji has no language for {path.name}.", fix=f"It knows the endings {', '.join(known)}."
        )
    info = jclass("org.scijava.script.ScriptInfo")(context, name, jclass("java.io.StringReader")(text))
    try:
        module = context.service("org.scijava.module.ModuleService").createModule(info)
    except jpype.JException as error:
        raise MacroError(f"The parameters of {path.name} cannot be read: {error.getMessage()}.") from error
    _fill(context, info, module, values)
    return Script(info, module)


def run(script: Script, path: PurePath, stopped: Callable[[], BioimgError]) -> dict[str, Any]:
    """Run a script on this thread, and give its outputs by name; "result" is the value of its last expression.

    Parameters
    ----------
    script, path
        The script, and the name of its file.
    stopped
        Gives what an ImageJ command failed with, where Java's exception says only that it did.

    Raises
    ------
    MacroError
        When it fails: the message, and `details["line"]` where the language tells it.
    HeadlessError
        When it opens a window without a display.
    """
    import jpype

    engine = script.module.getEngine()
    engine.put("javax.script.filename", path.name)
    for item in script.info.inputs():
        engine.put(item.getName(), script.module.getInput(item.getName()))
    try:
        value = engine.eval(script.info.getProcessedScript())
    except jpype.JException as error:
        if (code := _exit_code(error)) == 0:
            return {}
        raise _told(error, path, code, stopped) from error
    language = script.info.getLanguage()
    outputs = {}
    for item in script.info.outputs():
        name = str(item.getName())
        appended = name == "result" and bool(script.info.isReturnValueAppended())
        outputs[name] = language.decode(value if appended else engine.get(name))
    return {name: each for name, each in outputs.items() if each is not None}


def as_macro(script: Script) -> str:
    """Give the text of a macro whose parameters are variables, with the same lines."""
    given = [(str(item.getName()), script.module.getInput(item.getName())) for item in script.info.inputs()]
    assigned = "".join(f"{name} = {_literal(value)}; " for name, value in given)
    return assigned + str(script.info.getProcessedScript())


def _fill(context: Any, info: Any, module: Any, values: Mapping[str, str]) -> None:
    items = {str(item.getName()): item for item in info.inputs()}
    for name, text in values.items():
        if name not in items:
            known = ", ".join(items) or "none"
            raise ParameterError(f"The script has no parameter {name!r}.", fix=f"It has: {known}.", field=name)
        module.setInput(name, _converted(context, items[name], text))
        module.resolveInput(name)
    plugins = context.service("org.scijava.plugin.PluginService")
    for step in plugins.createInstancesOfType(jclass("org.scijava.module.process.PreprocessorPlugin")):
        if str(step.getClass().getSimpleName()) not in _PREFERENCES:
            step.process(module)
    empty = [item for name, item in items.items() if bool(item.isRequired()) and module.getInput(name) is None]
    if empty:
        names = ", ".join(f"{item.getName()} ({item.getType().getSimpleName()})" for item in empty)
        raise ParameterError(
            f"The script asks for {names}, and there is nobody to ask.",
            fix=f"Give --arg {empty[0].getName()}=VALUE (in Python: values={{...}}).",
            field=str(empty[0].getName()),
        )


def _converted(context: Any, item: Any, text: str) -> Any:
    import jpype

    name, kind = str(item.getName()), item.getType()
    try:
        value = context.service("org.scijava.convert.ConvertService").convert(jpype.JString(text), kind)
    except jpype.JException:
        value = None
    if value is None:
        raise ParameterError.of(name, f"a value of type {kind.getSimpleName()}", repr(text))
    choices = [str(each) for each in item.getChoices() or ()]
    if choices and text not in choices:
        raise ParameterError.of(name, f"one of {', '.join(choices)}", repr(text))
    return value


def _literal(value: Any) -> str:
    if isinstance(value, bool) or (hasattr(value, "booleanValue") and not hasattr(value, "intValue")):
        return "1" if value else "0"
    if hasattr(value, "doubleValue"):
        return repr(float(value.doubleValue()))
    escaped = str("" if value is None else value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _exit_code(error: Any) -> int | None:
    """Give the number of Jython's `sys.exit`; None for any other error."""
    found = re.search(r"\bSystemExit(?:: (.*?))?(?: in <.*| in .*? at line.*)?$", str(error.getMessage() or ""))
    if found is None:
        return None
    text = (found[1] or "").strip()
    return 0 if text in ("", "0", "None") else int(text) if re.fullmatch(r"-?\d+", text) else 1


def _told(error: Any, path: PurePath, code: int | None, stopped: Callable[[], BioimgError]) -> BioimgError:
    line = int(error.getLineNumber()) if hasattr(error, "getLineNumber") else -1
    place = f" in line {line}" if line > 0 else ""
    if code is not None:
        return MacroError(f"{path.name} ended itself with status {code}{place}.", line=line, status=code)
    canceled = any(failures.is_canceled(each) for each in failures.chain(error))
    cause = stopped() if canceled else failures.explain(error, path.name)
    message = cause.message
    if type(cause) is FijiError and not canceled:
        # The script's own error, without the class names of those that passed it on.
        text = re.sub(r" in \S+ at line number .*$", "", str(error.getMessage() or error.toString()))
        message = text if text.endswith((".", "!", "?")) else f"{text}."
    kind = type(cause) if isinstance(cause, (HeadlessError, JobCancelledError)) else MacroError
    return kind(f"{path.name} failed{place}: {message}", fix=cause.fix, **{**cause.details, "line": line})
