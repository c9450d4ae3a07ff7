"""The command that compares models on suites of data, and checks results of others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bioimg_fiji.commands.compared import Model, Place, baselines, measure, options_of, packages, recomputed
from bioimg_fiji.commands.keys import Device, device_key, trust_key
from bioimg_fiji.commands.parameters import LIST, Parameters, key, several
from bioimg_fiji.commands.registry import MENU, command
from bioimg_fiji.commands.result import Cell, Result, Table
from bioimg_fiji.errors import ParameterError
from bioimg_fiji.files import make_folder
from bioimg_fiji.jobs import Job

if TYPE_CHECKING:
    from bioimg_fiji.benchmark.results import Results
    from bioimg_fiji.benchmark.suite import Suite


class Benchmark(Parameters):
    """Parameters of `benchmark`."""

    action: Literal["run", "verify", "list", "new"] = key(
        "run",
        title="Do",
        help="run compares models; verify computes a result again and says whether it agrees; list tells the suites; "
        "new writes a suite to be filled in.",
    )
    suite: str | None = key(
        None,
        title="Suite",  # NB: no path, as ImageJ makes those absolute, and names of suites would be files
        help="Name of a suite that comes with bioimg-fiji (list tells them), or a folder with suite.toml; several "
        "with ; between. To verify: the result's .json. New: the folder to be made.",
    )
    model: Path | None = key(
        None, title="Model", widget="model", help="A bioimage.io model package: a .zip, its folder or a name."
    )
    models: str | None = key(None, title="Further models", widget="models", help="Paths or names with ; between.")
    output: Path | None = key(
        None, title="Results to", widget="folder", help="The folder for results and page; those of others in it stay."
    )
    baselines: str = key(
        "auto",
        title="Baselines",
        help="What models are compared with: auto takes those that suit, none leaves them out; or names of raw, "
        "gaussian, gaussian-oracle (its blur is chosen with the truth), otsu.",
    )
    root: Path | None = key(
        None,
        title="Data",
        widget="folder",
        help="Folder of the data; empty: the suite's, or else the setting benchmark_data.",
    )
    resume: bool = key(
        False, title="Resume", help="Leave out models that were done with the same data, package, versions and machine."
    )
    options: str | None = key(
        None,
        title="Keys for the models",
        expert=True,
        help="Further keys of BioImg Run Model... for all models, as in a macro: threshold=0.4 minimum_size=20.",
    )
    device: Device = device_key()
    trust: str | None = trust_key()


@command(id="benchmark", title="BioImg Benchmark...", menu=MENU, work="batch")
def benchmark(parameters: Benchmark, job: Job) -> Result:
    """Compare models on data with a known truth: one number per suite and model, time, memory, and a page of ranks."""
    from bioimg_fiji.benchmark import page
    from bioimg_fiji.benchmark import suite as suites

    if parameters.action == "list":
        return _list(parameters)
    if not parameters.suite:
        raise ParameterError.of("suite", "a suite, a result or a folder", "", fix="Say action=list to see the suites.")
    if parameters.action == "new":
        return Result(files={"suite": suites.write_new(Path(parameters.suite).expanduser())})
    if parameters.action == "verify":
        return _verify(parameters, job)
    if parameters.output is None:
        raise ParameterError.of("output", "the folder for the results", "", fix="Add output=FOLDER.")
    found = [suites.find(name) for name in several(parameters.suite)]
    make_folder(parameters.output)
    page.read_all(parameters.output, job.note)
    return _result([_run(each, parameters, parameters.output, job) for each in found], parameters.output)


def _run(suite: Suite, parameters: Benchmark, output: Path, job: Job) -> Results:
    """Run all models on a suite; results are written after each, and those of other models stay."""
    from bioimg_fiji.benchmark import page, results
    from bioimg_fiji.benchmark.cases import cases

    job.progress(f"Reading {suite.name}")
    data = cases(suite, parameters.root)
    if not data.checked and not suite.manifest.data.generator:
        job.note(f"{suite.name} has no SHA256SUMS: nobody can tell whether the data are the same elsewhere.")
    if (root := parameters.root) and not suite.root(root).is_relative_to(root.expanduser()):
        job.note(f"{suite.name}: there are no images of it in {root}; those beside its suite.toml are taken.")
    place = Place(suite, data, output / page.PICTURES / suite.name)
    kept = _begun(place, output, job)
    models = [*packages(_asked_models(parameters), suite, _keys(parameters)), *_baselines(parameters, place, job)]
    if not models:
        raise ParameterError.of("model", "a model or a baseline at least", "", fix="Give model=... or baselines=auto.")
    for number, model in enumerate(models):
        job.progress(f"{suite.name}: {model.row.model}", number, len(models))
        known = kept.known(model.row) if parameters.resume else None
        kept = kept.with_row(known or measure(model, place, job))
        results.write(kept, output)
        page.write(output)
    job.progress(suite.name, len(models), len(models))
    return replace(kept, rows=tuple(row for row in kept.rows if any(row.same(each.row) for each in models)))


def _begun(place: Place, output: Path, job: Job) -> Results:
    """Give the results that are there already, if they are of the same data; else new ones."""
    from bioimg_fiji.benchmark import results

    new = results.begin(place.suite, place.data)
    path = output / f"{place.suite.name}.json"
    if not path.exists():
        return new
    old = results.read(path)
    if (old.suite["sha256"], old.data["sha256"]) == (new.suite["sha256"], new.data["sha256"]):
        return replace(new, rows=old.rows)
    job.note(f"{path} was made with another suite or other data: its results are replaced.")
    return new


def _keys(parameters: Benchmark) -> dict[str, Any]:
    """Give the keys of `run_model` that were given."""
    options = options_of(parameters.options or "")
    return {"device": parameters.device, "trust": parameters.trust or "", "options": options}


def _asked_models(parameters: Benchmark) -> list[str]:
    first = [str(parameters.model)] if parameters.model is not None else []
    return list(dict.fromkeys([*first, *several(parameters.models)]))


def _baselines(parameters: Benchmark, place: Place, job: Job) -> list[Model]:
    names = several(parameters.baselines.replace(",", LIST).replace(" ", LIST))
    if names == ["none"]:
        return []
    return baselines(None if names in ([], ["auto"]) else names, place, job)


def _result(found: list[Results], output: Path) -> Result:
    from bioimg_fiji.benchmark import page, results

    tables: dict[str, Table] = {}
    figures: dict[str, float | int | str | bool] = {}
    files: dict[str, Path] = {}
    notes: list[str] = []
    for each in found:
        name, models = each.suite["name"], results.names(each.rows)
        tables[name] = _table(each, models)
        files[name] = output / f"{name}.json"
        best = each.best
        bad = [row for row in each.rows if row.outcome != results.DONE]
        if best is not None:
            value = _cell(best.figures[each.metric])
            figures[f"best_{name}"] = models[best.identity]
            figures[each.metric if len(found) == 1 else f"{each.metric}_{name}"] = "" if value is None else value
        notes += [f"{name}: {models[row.identity]} has no figure: {row.reason}" for row in bad]
    files["page"] = output / page.NAME
    return Result(tables=tables, figures=figures, files=files, notes=tuple(notes), partial=bool(notes))


def _table(each: Results, models: Mapping[str, str]) -> Table:
    """Give the table of a suite: a row for each model, the best first."""
    from bioimg_fiji.benchmark import results

    names = results.columns(each)
    rows: list[tuple[Cell, ...]] = []
    for row in each.rows:
        done = row.outcome == results.DONE
        figures = tuple(_cell(row.figures[name]) if name in row.figures else None for name in names)
        timing = (row.seconds, row.memory) if done else (None, None)
        rows.append((models[row.identity], *figures, *timing, "" if done else row.reason))
    units = ("", *("" for _ in names), "s", "MiB", "")
    return Table(("model", *names, "seconds_per_image", "memory", "reason"), tuple(rows), units)


def _list(parameters: Benchmark) -> Result:
    from bioimg_fiji.benchmark import suite as suites
    from bioimg_fiji.benchmark.cases import missing

    rows = []
    for name, folder in suites.shipped().items():
        found = suites.read(folder / suites.MANIFEST)
        said = found.manifest
        rows.append((name, said.title, said.task, said.metric, missing(found, parameters.root) or "ready"))
    return Result(tables={"suites": Table(("suite", "title", "task", "metric", "data"), tuple(rows))})


def _verify(parameters: Benchmark, job: Job) -> Result:
    """Compute a file of results again, and say for each model whether it agrees."""
    from bioimg_fiji.benchmark import results

    told = results.read(Path(str(parameters.suite)).expanduser())
    rows, notes = [], []
    models = results.names(told.rows)
    for row, found, reason in recomputed(told, parameters.root, _keys(parameters), job):
        old, new = row.figures.get(told.metric), found.figures.get(told.metric) if found else None
        rows.append((models[row.identity], _cell(old), _cell(new), "yes" if not reason else "no", reason))
        notes += [f"{models[row.identity]}: {reason}"] if reason else []
    table = Table(("model", "told", "found", "agrees", "reason"), tuple(rows))
    agreeing = sum(row[3] == "yes" for row in rows)
    figures: dict[str, float | int | str | bool] = {"agree": agreeing, "models": len(rows)}
    return Result(tables={"verified": table}, figures=figures, notes=tuple(notes), partial=agreeing < len(rows))


def _cell(value: float | None) -> Cell:
    from bioimg_fiji.evaluate.rows import cell

    return cell(value)
