"""`budgetguard action run`: measure, tell, and leave the exit code to the step that gates.

The flow: inputs and event -> base -> check, merge or update -> what is looser -> outputs, summary,
annotations. It ends with 0 whatever it finds: what comes after it in the job has to run.
"""

import datetime as dt
import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from budgetguard.action import measuring, runner
from budgetguard.action.annotations import annotations, problem
from budgetguard.action.base import base_of
from budgetguard.action.event import POST, Event, read_event
from budgetguard.action.inputs import Inputs, artifact_name, read_inputs
from budgetguard.action.result import REPORT_NAME, SUMMARY_NAME, Result
from budgetguard.action.text import LOOSER_TITLE, page
from budgetguard.errors import BudgetguardError
from budgetguard.gate.atomic import replace_text
from budgetguard.gate.config import find_config
from budgetguard.gate.names import BASELINE_NAME
from budgetguard.gate.report import json as as_json
from budgetguard.gate.report.reading import read_report
from budgetguard.gate.review.reading import reviewed
from budgetguard.gate.review.versions import changed, repository
from budgetguard.gate.sides.history import top_of


def run(environment: Mapping[str, str]) -> None:
    """Do what the inputs ask for and tell GitHub; a user's mistake is told like a verdict."""
    inputs, commit_it = Inputs(folder=Path()), ""
    place = environment.get("RUNNER_TEMP") or None
    folder = Path(tempfile.mkdtemp(prefix="budgetguard-", dir=place), "upload")
    folder.mkdir()
    try:
        inputs = read_inputs(environment)
        event = read_event(environment)
        if event.name == POST:
            runner.say(
                "nothing is measured for workflow_run: the report of that run becomes a comment"
            )
            shutil.rmtree(folder.parent)
            runner.write_outputs(environment, {"gate": "0"})
            return
        result, commit_it = _done(inputs, event, folder)
    except BudgetguardError as error:
        runner.say(f"error: {error}")
        result = Result(code=error.exit_code, problem=str(error))
    _tell(environment, inputs, result, folder, commit_it)


def _done(inputs: Inputs, event: Event, folder: Path) -> tuple[Result, str]:
    """The result, and the command that commits a new baseline."""
    if inputs.update_baseline:
        return _updated(inputs, event, folder)
    if inputs.merge:
        result = _ran(measuring.merge_options(inputs), inputs, folder)
        base = base_of(inputs, event) if event.base and repository(inputs.folder) else ""
    else:
        base = base_of(inputs, event)
        result = _ran(measuring.check_options(inputs, inputs.against or base), inputs, folder)
    return _reviewed(result, _looser(inputs, base) if base else (), folder / REPORT_NAME), ""


def _ran(options: list[str], inputs: Inputs, folder: Path) -> Result:
    file = folder / REPORT_NAME
    ended = measuring.run(options, inputs, file.absolute())
    if file.exists():
        return Result(code=ended.code, report=read_report(file))
    why = ended.complaint or f"budgetguard {options[0]} ended with {ended.code} and wrote no report"
    return Result(code=ended.code or 4, problem=why)


def _looser(inputs: Inputs, base: str) -> tuple[str, ...]:
    """What is looser than in the base and not accepted: a hook can be skipped, this cannot."""
    here = repository(inputs.folder)
    if here is None:
        return ()
    found = reviewed([changed(here, base, "HEAD")], dt.datetime.now(dt.UTC).date())
    for text in (*found.notes, *(one.text for one in found.loosened)):
        runner.say(text)
    return tuple(one.text for one in found.loosened)


def _reviewed(result: Result, loosened: tuple[str, ...], file: Path) -> Result:
    """The result with what is looser; its report gets it as notes, for who reads that file alone."""
    if loosened and result.report:
        notes = (*result.report.notes, *(f"{LOOSER_TITLE}: {text}" for text in loosened))
        replace_text(file, as_json.render(replace(result.report, notes=notes)))
    return replace(result, loosened=loosened)


def _updated(inputs: Inputs, event: Event, folder: Path) -> tuple[Result, str]:
    """Record anew, and put the baseline where it is uploaded, at its place in the repository."""
    config = Path(inputs.config) if inputs.config else None
    found = inputs.folder / config if config else find_config(inputs.folder.absolute())
    ended = measuring.run(measuring.update_options(inputs), inputs)
    file = found.absolute().with_name(BASELINE_NAME) if found else None
    if ended.code or file is None or not file.exists():
        why = (
            ended.complaint or "budgetguard baseline update wrote no baseline; its output says why"
        )
        return Result(code=ended.code or 4, problem=why), ""
    path = Path(os.path.relpath(os.path.realpath(file), top_of(file.parent)))
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, folder / path)
    number = event.run_url.rpartition("/")[2]
    name = artifact_name(inputs)
    told = (
        f"gh run download {number} --name {name} --dir .\n"
        f"git add {path.as_posix()}\n"
        f"git commit -m 'budgets: a new baseline'"
    )
    runner.say(f"\nto take the new baseline, at the top of the repository:\n{told}")
    return Result(code=0), told


def _tell(
    environment: Mapping[str, str], inputs: Inputs, result: Result, folder: Path, commit_it: str
) -> None:
    text = page(result, commit_it)
    summary = folder.with_name(SUMMARY_NAME)
    replace_text(summary, text)
    runner.add_summary(environment, text)
    runner.send(_annotations(inputs, result))
    report = folder / REPORT_NAME
    runner.write_outputs(
        environment,
        {
            "status": result.status,
            "exit-code": str(result.exit_code),
            "gate": str(result.gate(enforce=inputs.enforce)),
            "folder": str(folder),
            "report": str(report) if report.exists() else "",
            "summary": str(summary),
            "over-budget": str(result.over),
            "guarded": result.guarded,
            "artifact": artifact_name(inputs),
        },
    )


def _annotations(inputs: Inputs, result: Result) -> list[str]:
    """None of verdicts for a shard: the job that joins them has them."""
    if result.problem and inputs.max_annotations:
        return [problem(result.problem, _from_top(inputs.folder))]
    report = None if inputs.shard else result.report
    return annotations(report, result.loosened, inputs.max_annotations)


def _from_top(folder: Path) -> str:
    """The way from the root of the repository to a folder."""
    with suppress(BudgetguardError):
        return os.path.relpath(os.path.realpath(folder), top_of(folder))
    return ""
