"""The page that ranks models: one file of HTML for all suites whose results lie in a folder."""

from __future__ import annotations

import base64
import importlib.resources
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bioimg_fiji.benchmark import pictures, results
from bioimg_fiji.benchmark.results import DONE, Results, Row
from bioimg_fiji.benchmark.score import rank
from bioimg_fiji.errors import FileFormatError
from bioimg_fiji.evaluate.rows import cell
from bioimg_fiji.files import whole
from bioimg_fiji.html import text

NAME = "benchmark.html"
PICTURES = "pictures"
"""Folder beside the results, with a folder for each suite."""

Names = Mapping[str, str]
"""Of the models, as in `results.names`."""

_HASH = 12
_PLACE = "<!-- body -->"


def write(folder: Path) -> Path:
    """Write the page of all results in a folder; give its path."""
    found = read_all(folder)
    suites = f"{len(found)} {'suite' if len(found) == 1 else 'suites'}"
    names = results.names(row for each in found for row in each.rows)
    parts = [
        "<h1>Benchmark</h1>",
        f'<p class="quiet">{suites}, {len(names)} models and baselines. Press a heading to sort.</p>',
        _overview(found, names) if len(found) > 1 else "",
        *(_section(each, names, folder / PICTURES / each.suite["name"]) for each in found),
    ]
    frame = importlib.resources.files("bioimg_fiji.benchmark").joinpath("page.html").read_text("utf-8")
    content = frame.replace(_PLACE, "\n".join(parts))
    target = folder / NAME
    whole(target, lambda part: _text(part, content))
    return target


def read_all(folder: Path, tell: Callable[[str], None] = lambda _: None) -> list[Results]:
    """Read all results of a folder; other files of JSON are passed over, and `tell` hears of results that are wrong."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(results.read(path))
        except FileFormatError as error:
            if results.are_meant(path):
                tell(f"The page leaves out {path.name}: {error}")
    return found


def number(value: float | None) -> str:
    """Write a figure with as many digits as a reader needs."""
    if value is None:
        return ""
    return f"{value:.4g}".replace("inf", "∞").replace("nan", "no number")


def model_of(row: Row, names: Names) -> str:
    """Give a model's name with the keys that were given besides."""
    name = names[row.identity]
    return f"{name} ({row.options.strip()})" if row.options else name


def picture_of(row: Row) -> str:
    """Give the name of a row's picture."""
    return f"{row.model}-{row.sha256[:_HASH]}-{row.options}"


def _overview(found: Sequence[Results], names: Names) -> str:
    """Write a table with a row for each model and a column for each suite."""
    models = {row.key: model_of(row, names) for each in found for row in each.rows}
    head = _heading("Model") + "".join(_heading(f"{each.suite['name']}: {each.metric}", number=True) for each in found)
    lines = []
    for key, model in models.items():
        cells = [_cell("Model", text(model), model)]
        for each in found:
            row = next((row for row in each.rows if row.key == key), None)
            cells.append(_figure(each.suite["name"], row, each.metric, each, bold=_is_best(row, each)))
        lines.append(f"<tr>{''.join(cells)}</tr>")
    told = '<p class="quiet">The headline number of each; the best in bold, an oracle aside.</p>'
    return f"<section><h2>All suites</h2>{told}{_table(head, lines)}</section>"


def _section(each: Results, names: Names, folder: Path) -> str:
    said = each.suite
    pixels = any(pictures.path(folder, picture_of(row)).is_file() for row in each.rows)
    head = _heading("Rank", number=True) + (_heading("Result", sort=False) if pixels else "") + _heading("Model")
    head += "".join(_heading(name, number=True) for name in results.columns(each))
    head += _heading("Seconds per image", number=True) + _heading("Memory (MiB)", number=True)
    ranking = [row for row in each.rows if row.ranks]
    places = {id(row): place for place, row in enumerate(ranking, 1)}
    drawn = folder if pixels else None
    lines = [_line(row, model_of(row, names), places.get(id(row)), each, drawn) for row in each.rows]
    count = len(each.data["test"])
    given = "".join(
        f"<figure>{shown}<figcaption>{caption}</figcaption></figure>"
        for caption, name in (("given to the models", pictures.IMAGE), ("truth", pictures.TRUTH))
        if (shown := _picture(folder, name))
    )
    return (
        f'<section id="{text(said["name"])}"><h2>{text(said["title"])}</h2>'
        f"<p>Ranked by <b>{text(each.metric)}</b> ({text(said['better'])} is better), the mean over {count} "
        f"{'image' if count == 1 else 'images'}.</p>"
        f'<div class="given">{given}</div>{_table(head, lines)}{_facts(each)}</section>'
    )


def _line(row: Row, model: str, place: int | None, each: Results, folder: Path | None) -> str:
    done = row.outcome == DONE
    name = f"<span>{text(model)}</span>" + ("" if done else f' <span class="failed">{text(row.reason)}</span>')
    cells = [_cell("Rank", str(place or ""), place or "", number=True)]
    if folder is not None:
        cells.append(_cell("Result", _picture(folder, picture_of(row)), ""))
    cells.append(_cell("Model", name, model))
    cells += [_figure(metric, row, metric, each, bold=metric == each.metric) for metric in results.columns(each)]
    for label, value in (("Seconds per image", row.seconds), ("Memory (MiB)", row.memory)):
        cells.append(_cell(label, _short(value) if done else "", value if done else "", number=True))
    return f"<tr{' class=best' if done and _is_best(row, each) else ''}>{''.join(cells)}</tr>"


def _short(value: float) -> str:
    """Write seconds or memory, whose further digits are chance."""
    return "< 0.001" if value < 0.001 else f"{value:.3g}"


def _facts(each: Results) -> str:
    said, made = each.suite, [row.made for row in each.rows if row.made]
    facts: Mapping[str, object] = {
        "Task": f"{said['task']}, {said['modality']}",
        "Data": f"{said['source']} (licence: {said['licence']})",
        "SHA-256 of the data": f"{each.data['sha256']}"
        + ("" if each.data["checked"] else " (the suite has no hashes of its own)"),
        "SHA-256 of the suite": said["sha256"],
        "Packages": "; ".join(f"{row.model} {row.sha256[:16]}" for row in each.rows if not row.is_baseline),
        "Learnt by baselines": "; ".join(f"{row.model} {row.sha256}" for row in each.rows if "=" in row.sha256),
        "Versions": ", ".join(dict.fromkeys(_told(told.get("versions", {})) for told in made)),
        "Machine": "; ".join(dict.fromkeys(_told(told.get("machine", {})) for told in made)),
    }
    lines = (f"<dt>{name}</dt><dd>{text(value, longest=None)}</dd>" for name, value in facts.items() if value)
    return f'<details><summary>How it was made</summary><dl class="quiet">{"".join(lines)}</dl></details>'


def _told(values: Mapping[str, object]) -> str:
    return " ".join(f"{name} {value}" for name, value in values.items())


def _is_best(row: Row | None, each: Results) -> bool:
    if row is None or not row.ranks or each.best is None:
        return False
    best, own = (rank(each.metric, other.figures.get(each.metric)) for other in (each.best, row))
    return best == own


def _figure(label: str, row: Row | None, metric: str, each: Results, *, bold: bool) -> str:
    """Write a row's figure; of one that failed the headline number says so, of a model that was not run it is empty."""
    value = row.figures.get(metric) if row is not None and row.outcome == DONE else None
    shown = number(value)
    if row is not None and row.outcome != DONE and metric == each.metric:
        shown = '<span class="failed">failed</span>'
    sorted_by = "" if value is None or math.isnan(value) else cell(value)
    return _cell(label, shown, sorted_by, number=True, headline=bold)


def _heading(name: str, *, number: bool = False, sort: bool = True) -> str:
    inner = f'<button type="button">{text(name)}</button>' if sort else text(name)
    return f'<th scope="col"{" class=number" if number else ""}>{inner}</th>'


def _cell(label: str, inner: str, value: object, *, number: bool = False, headline: bool = False) -> str:
    names = " ".join(name for name, on in (("number", number), ("headline", headline)) if on)
    return f'<td class="{names}" data-label="{text(label)}" data-value="{text(value)}">{inner}</td>'


def _table(head: str, lines: Sequence[str]) -> str:
    body = f"<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody>"
    return f'<div class="wide"><table class="cards">{body}</table></div>'


def _picture(folder: Path, name: str) -> str:
    path = pictures.path(folder, name)
    if not path.is_file():
        return ""
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return f'<img alt="{text(name.split("-", 1)[0])}" src="data:image/png;base64,{data}">'


def _text(path: Path, content: str) -> None:
    path.write_text(content, "utf-8")
