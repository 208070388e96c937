"""`budgetguard action run`: measure, tell, and leave the exit code to the step that gates.

The flow: inputs and event -> base -> check, merge or update -> what is looser -> outputs, summary,
annotations. It ends with 0 whatever it finds: what comes after it in the job has to run.
"""

import datetime as dt
import os
import shlex
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from budgetguard.action import measuring, runner
from budgetguard.action.annotations import annotations, problem
from budgetguard.action.base import base_of
from budgetguard.action.event import POST, Event, read_event
from budgetguard.action.inputs import Inputs, artifact_name, read_inputs
from budgetguard.action.result import REPORT_NAME, SUMMARY_NAME, Result, with_loosened
from budgetguard.action.text import LARGEST_SUMMARY, page
from budgetguard.atomic import replace_text
from budgetguard.errors import BudgetguardError, UsageError
from budgetguard.gate.config import find_config
from budgetguard.gate.names import BASELINE_NAME, TOML_NAME, YAML_NAME
from budgetguard.gate.report import json as as_json
from budgetguard.gate.report.reading import read_report
from budgetguard.gate.review.reading import reviewed
from budgetguard.gate.review.versions import changed, repository
from budgetguard.gate.sides.history import top_of


def run(environment: Mapping[str, str]) -> None:
    """Do what the inputs ask for and tell GitHub; a user's mistake is told like a verdict."""
    place = environment.get("RUNNER_TEMP") or None
    folder = Path(tempfile.mkdtemp(prefix="budgetguard-", dir=place), "upload")
    folder.mkdir()
    told = _Told(Inputs(folder=Path()), Result(code=4))
    try:
        told = _done(environment, folder)
    except BudgetguardError as error:
        runner.say(f"error: {error}")
        told = replace(told, result=Result(code=error.exit_code, problem=str(error)))
    except KeyboardInterrupt:
        shutil.rmtree(folder.parent, ignore_errors=True)
        raise
    except Exception as error:  # noqa: BLE001  # whatever it is: the job has to hear that nothing was judged
        told = replace(told, result=Result(code=4, problem=runner.say_bug(error)))
    _tell(environment, told, folder)


@dataclass(frozen=True, slots=True)
class _Told:
    """What was asked, what came of it, and the command that commits a new baseline."""

    inputs: Inputs
    result: Result | None
    """None where nothing is judged: on workflow_run."""
    commit_it: str = ""

    @property
    def status(self) -> str:
        """The output `status`."""
        if self.result is None:
            return ""
        return "recorded" if self.commit_it and not self.result.code else self.result.status


def _done(environment: Mapping[str, str], folder: Path) -> _Told:
    inputs, event = read_inputs(environment), read_event(environment)
    if event.name == POST:
        runner.say("nothing is measured for workflow_run: the report of that run becomes a comment")
        return _Told(inputs, None)
    if inputs.update_baseline:
        return _updated(inputs, event, folder)
    if inputs.merge:
        return _Told(inputs, _joined(inputs, event, folder))
    _check_name(inputs, event)
    base = base_of(inputs, event)
    result = _ran(measuring.check_options(inputs, inputs.against or base), inputs, folder)
    return _Told(inputs, _reviewed(result, inputs, base, folder))


def _joined(inputs: Inputs, event: Event, folder: Path) -> Result:
    """The verdict of all shards, also where what is looser cannot be known here; that is red, too."""
    result = _ran(measuring.merge_options(inputs), inputs, folder)
    if not event.base:
        return result
    try:
        if repository(inputs.folder) is None:
            raise UsageError(
                "input merge: no repository here, so that nobody knows whether limits became looser; "
                "expected: actions/checkout in this job, too"
            )
        return _reviewed(result, inputs, base_of(inputs, event), folder)
    except BudgetguardError as error:
        runner.say(f"error: {error}")
        return replace(result, code=error.exit_code, problem=str(error))


def _check_name(inputs: Inputs, event: Event) -> None:
    """Refuse a configuration whose limits could become looser unseen."""
    if event.base and inputs.config and Path(inputs.config).name not in (YAML_NAME, TOML_NAME):
        raise UsageError(
            f"input config: {inputs.config!r}: only {YAML_NAME} and {TOML_NAME} are compared with the "
            f"base; give it that name, in a folder of its own"
        )


def _ran(options: list[str], inputs: Inputs, folder: Path) -> Result:
    file = folder / REPORT_NAME
    ended = measuring.run(options, inputs, file.absolute())
    if file.exists():
        return Result(code=ended.code, report=read_report(file))
    why = ended.complaint or f"budgetguard {options[0]} ended with {ended.code} and wrote no report"
    return Result(code=ended.code or 4, problem=why)


def _reviewed(result: Result, inputs: Inputs, base: str, folder: Path) -> Result:
    """The result with what is looser than in the base and not accepted: a hook can be skipped, this not."""
    here = repository(inputs.folder) if base else None
    if here is None:
        return result
    found = reviewed([changed(here, base, "HEAD")], dt.datetime.now(dt.UTC).date())
    for text in (*found.notes, *(one.text for one in found.loosened)):
        runner.say(text)
    loosened = tuple(one.text for one in found.loosened)
    if loosened and result.report:
        told = as_json.render(with_loosened(result.report, loosened))
        replace_text(folder / REPORT_NAME, told)
    return replace(result, loosened=loosened)


def _updated(inputs: Inputs, event: Event, folder: Path) -> _Told:
    """Record anew, and put the baseline where it is uploaded, at its place in the repository."""
    config = Path(inputs.config) if inputs.config else None
    found = inputs.folder / config if config else find_config(inputs.folder.absolute())
    ended = measuring.run(measuring.update_options(inputs), inputs)
    file = found.absolute().with_name(BASELINE_NAME) if found else None
    if file is None or not file.exists():
        why = ended.complaint or "budgetguard baseline update wrote no baseline; the log says why"
        return _Told(inputs, Result(code=ended.code or 4, problem=why))
    path = Path(os.path.relpath(os.path.realpath(file), top_of(file.parent)))
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, folder / path)
    number, name = event.run_url.rpartition("/")[2], artifact_name(inputs)
    commit_it = (
        f"gh run download {number} --name {shlex.quote(name)} --dir .\n"
        f"git add {shlex.quote(path.as_posix())}\n"
        f"git commit -m 'budgets: a new baseline'"
    )
    runner.say(f"\nto take the new baseline, at the top of the repository:\n{commit_it}")
    why = "not everything could be measured; the log says what" if ended.code else ""
    return _Told(inputs, Result(code=ended.code, problem=ended.complaint or why), commit_it)


def _tell(environment: Mapping[str, str], told: _Told, folder: Path) -> None:
    """Outputs first: a disk that is full may cost a summary, and never the verdict."""
    inputs, result = told.inputs, told.result
    if result is None:
        shutil.rmtree(folder.parent)
        runner.write_outputs(environment, {"gate": "0"})
        return
    report, summary = folder / REPORT_NAME, folder.with_name(SUMMARY_NAME)
    enforce = inputs.enforce or inputs.update_baseline
    runner.write_outputs(
        environment,
        {
            "status": told.status,
            "exit-code": str(result.exit_code),
            "gate": str(result.gate(enforce=enforce)),
            "folder": str(folder),
            "report": str(report) if report.exists() else "",
            "summary": str(summary),
            "over-budget": str(result.over),
            "guarded": result.guarded,
            "artifact": artifact_name(inputs),
        },
    )
    runner.send(_annotations(inputs, result))
    replace_text(summary, page(result, told.commit_it))
    runner.add_summary(environment, page(result, told.commit_it, LARGEST_SUMMARY))


def _annotations(inputs: Inputs, result: Result) -> list[str]:
    """None of verdicts for a shard: the job that joins them has them."""
    most = inputs.max_annotations
    why = [problem(result.problem, _from_top(inputs.folder))] if result.problem and most else []
    report = None if inputs.shard else result.report
    return [*why, *annotations(report, result.loosened, most - len(why))]


def _from_top(folder: Path) -> str:
    """The way from the root of the repository to a folder."""
    with suppress(BudgetguardError):
        return os.path.relpath(os.path.realpath(folder), top_of(folder))
    return ""
