"""ImageJ without a display: what would go wrong in silence is mended before ImageJ's classes are loaded, or refused.

ij1-patcher gives ImageJ a stand-in for GenericDialog that works without a display. It takes the default where a value
is the name of a macro variable or no number, and the first choice where the choice is unknown; ImageJ itself drops a
table that it cannot show, so that a macro counts 0 results, and runs a filter with its default values when reading them
fails. Here all of that is mended (the code that does the reading is
Java, package `headless` of the plugin). What needs a window in truth fails with an exception, which becomes a
`HeadlessError` in failures.py.
"""

from __future__ import annotations

from typing import Any

from bioimg_fiji.fiji.java import jclass

_VALUES = "io.github.bioimgfiji.headless.MacroValues"
_TABLES = "io.github.bioimgfiji.headless.Tables"

_FAILURES = "io.github.bioimgfiji.headless.Failures"

_DIALOG_BODIES = {
    ("getMacroParameter", "(Ljava/lang/String;D)D"): f"return {_VALUES}.number($1, $2);",
    (
        "getMacroParameter",
        "(Ljava/lang/String;Ljava/lang/String;)Ljava/lang/String;",
    ): f"return {_VALUES}.text($1, $2);",
    ("addChoice", "(Ljava/lang/String;[Ljava/lang/String;Ljava/lang/String;)V"): (
        f"String item = {_VALUES}.choice($1, $2, $3);"
        f"choices.add(item); choiceIndices.add(Integer.valueOf({_VALUES}.index(item, $2)));"
    ),
    ("getNextChoiceIndex", "()I"): (
        "int at = choiceIndex++;"
        f"return {_VALUES}.valid(((Integer) choiceIndices.get(at)).intValue(), (String) choices.get(at));"
    ),
    ("addTextAreas", "(Ljava/lang/String;Ljava/lang/String;II)V"): (
        f'textArea1 = {_VALUES}.text("text1", $1); textArea2 = {_VALUES}.text("text2", $2);'
    ),
    ("addFileField", "(Ljava/lang/String;Ljava/lang/String;)V"): "addStringField($1, $2);",
    ("addFileField", "(Ljava/lang/String;Ljava/lang/String;I)V"): "addStringField($1, $2);",
    ("addDirectoryField", "(Ljava/lang/String;Ljava/lang/String;)V"): "addStringField($1, $2);",
    ("addDirectoryField", "(Ljava/lang/String;Ljava/lang/String;I)V"): "addStringField($1, $2);",
    ("addImageChoice", "(Ljava/lang/String;Ljava/lang/String;)V"): (
        "addChoice($1, ij.WindowManager.getImageTitles(), $2);"
    ),
    ("getNextImage", "()Lij/ImagePlus;"): "return ij.WindowManager.getImage(getNextChoice());",
}

_ANALYZER_BODIES = {
    # ImageJ counts the lines in the window, and takes the rows that it does not find there out of the table.
    ("displayResults", "()V"): (
        "if (rt.columnDeleted()) return;"
        "if (rt.size() == 1) ij.IJ.setColumnHeadings(rt.getColumnHeadings());"
        f'{_TABLES}.show(rt, "Results"); ij.IJ.write(rt.getRowAsString(rt.size() - 1));'
    ),
    # NB: the same without its question, whose dialog would have Java load ij.ImageJ too early.
    ("resetCounter", "()Z"): (
        "switchingModes = false; umeans = null; systemRT.reset();"
        "ij.plugin.frame.RoiManager.resetMultiMeasureResults(); unsavedMeasurements = false; return true;"
    ),
}


def mend() -> dict[str, bytes]:
    """Define the mended classes, and give them: after Java's start, before ij1-patcher works and ImageJ is loaded."""
    pool = jclass("javassist.ClassPool").getDefault()
    dialog = pool.get("net.imagej.patcher.HeadlessGenericDialog")
    for (name, descriptor), body in _DIALOG_BODIES.items():
        dialog.getMethod(name, descriptor).setBody(f"{{ {body} }}")
    dialog.getConstructor("()V").insertBefore(f"{_FAILURES}.needOptions();")
    made = _define(dialog, "net.imagej.patcher.CodeHacker")

    tables = pool.get("ij.measure.ResultsTable")
    tables.getMethod("show", "(Ljava/lang/String;)V").setBody(f"{{ {_TABLES}.show(this, $1); }}")
    made |= _define(tables, "ij.measure.Measurements")

    analyzer = pool.get("ij.plugin.filter.Analyzer")
    for (name, descriptor), body in _ANALYZER_BODIES.items():
        analyzer.getMethod(name, descriptor).setBody(f"{{ {body} }}")
    made |= _define(analyzer, "ij.plugin.filter.PlugInFilter")

    maxima = pool.get("ij.plugin.filter.MaximumFinder")
    editor = jclass("javassist.CodeConverter")()
    editor.redirectMethodCall(
        pool.get("ij.IJ").getMethod("isResultsWindow", "()Z"), pool.get(_TABLES).getMethod("resultsShown", "()Z")
    )
    maxima.instrument(editor)
    made |= _define(maxima, "ij.plugin.filter.PlugInFilter")

    runner = pool.get("ij.plugin.filter.PlugInFilterRunner")
    editor = jclass("javassist.CodeConverter")()
    editor.insertBeforeMethod(
        pool.get("java.lang.Throwable").getDeclaredMethod("getMessage"), pool.get(_FAILURES).getDeclaredMethod("passOn")
    )
    runner.instrument(editor)
    made |= _define(runner, "ij.plugin.filter.PlugInFilter")
    return made


def _define(mended: Any, neighbour: str) -> dict[str, bytes]:
    """Define a mended class in this Java, beside one of the same package, and give it for later starts."""
    mended.toClass(_neighbour(neighbour))
    return {str(mended.getName()).replace(".", "/") + ".class": bytes(mended.toBytecode())}


def _neighbour(name: str) -> Any:
    """Give a class of the same package, without initialising it: Java defines a class only beside another one."""
    loader = jclass("java.lang.ClassLoader").getSystemClassLoader()
    return jclass("java.lang.Class").forName(name, False, loader)
