"""`budgetguard action comment`: one comment on the pull request, by the run itself or for a fork's run.

A run of a fork may not write comments. A second workflow, on `workflow_run`, may: it takes nothing
from the fork but numbers and names in a JSON report, reads them strictly and renders them anew, and
asks GitHub which pull request they are about. Whatever goes wrong here leaves the verdict alone.
"""

import io
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from budgetguard.action import runner
from budgetguard.action.api import ApiError, GitHub
from budgetguard.action.comment import marker, put_comment
from budgetguard.action.event import ForeignRun, read_event
from budgetguard.action.inputs import Inputs, artifact_name, read_inputs
from budgetguard.action.result import REPORT_NAME, Result, told_by
from budgetguard.action.text import footer, page
from budgetguard.atomic import replace_text
from budgetguard.errors import BudgetguardError, UsageError
from budgetguard.gate.report.reading import LARGEST_BYTES, read_report

_BOUNDED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""How GitHub packs; of the others a kilobyte may unpack to gigabytes before a read returns."""
_NOTHING = Result(code=4, problem="the action ended before it had measured; its log says why")
_MOST_PULL_REQUESTS = 5
"""One branch of a fork may be proposed to several branches."""


def comment(environment: Mapping[str, str]) -> None:
    """Write, replace or leave the comment, and say why where it cannot be written."""
    try:
        inputs = read_inputs(environment)
        if inputs.comment == "never" or inputs.shard or inputs.update_baseline:
            return
        event = read_event(environment)
        if event.run:
            _for_fork(environment, inputs, event.repository, event.run)
        elif event.pull_request:
            _for_own(environment, inputs, event.repository, event.pull_request, event.run_url)
    except BudgetguardError as error:
        runner.say(f"error: {error}")
        _warn(str(error))
    except Exception as error:  # noqa: BLE001  # of a comment nobody may hear but by a warning
        _warn(runner.say_bug(error))


def _warn(text: str) -> None:
    runner.send([runner.command("warning", text, title="budgetguard: no comment")])


def _for_own(
    environment: Mapping[str, str], inputs: Inputs, repository: str, number: int, run_url: str
) -> None:
    summary = Path(environment.get("SUMMARY", ""))
    text = summary.read_text(encoding="utf-8") if summary.is_file() else page(_NOTHING)
    text += footer([("run", run_url), ("report", environment.get("ARTIFACT_URL", ""))])
    red = environment.get("EXIT_CODE", "") != "0"
    try:
        with _github(environment, repository) as github:
            only = inputs.comment == "red" and not red
            url = put_comment(github, number, inputs.comment_key, text, only_update=only)
    except BudgetguardError as error:
        place = environment.get("RUNNER_TEMP") or tempfile.gettempdir()
        file = Path(place, f"{inputs.comment_key}-comment.md")
        replace_text(file, f"{marker(inputs.comment_key)}{text}")
        runner.write_outputs(environment, {"comment-file": str(file)})
        raise _unwritten(error) from None
    runner.write_outputs(environment, {"comment-url": url})
    runner.say(f"comment: {url or 'none, as nothing is red'}")


def _for_fork(
    environment: Mapping[str, str], inputs: Inputs, repository: str, run: ForeignRun
) -> None:
    if not run.of_pull_request:
        runner.say("that run was of no pull request, so there is nothing to comment on")
        return
    with _github(environment, repository) as github:
        numbers = _pull_requests(github, run)
        if not numbers:
            runner.say(f"no open pull request has {run.head_sha[:10]} as its head: it moved on")
            return
        result = _result(github, inputs, run)
        said = f"measured by the files of {run.head_sha[:10]}, its run ended with: "
        doubt = ""
        if run.conclusion != "success" and not result.exit_code:
            doubt = "### ⚠️ the run did not succeed, whatever its report says\n\n"
        text = (
            doubt + page(result) + footer([("run", run.url)], said + (run.conclusion or "nothing"))
        )
        only = inputs.comment == "red" and result.exit_code == 0 and run.conclusion == "success"
        for number in numbers:
            url = put_comment(github, number, inputs.comment_key, text, only_update=only)
            runner.write_outputs(environment, {"comment-url": url})
            runner.say(f"comment: {url or 'none, as nothing is red'}")


def _pull_requests(github: GitHub, run: ForeignRun) -> list[int]:
    """The open pull requests of the run's branch whose head is the very commit that it measured."""
    if not run.head_repository:
        return []
    found: list[int] = []
    query = {"state": "open", "head": f"{run.head_owner}:{run.head_branch}"}
    for page_of in github.pages("pulls", **query):
        for pull in page_of:
            head = pull["head"]
            from_it = (head.get("repo") or {}).get("full_name") == run.head_repository
            if from_it and head["sha"] == run.head_sha and head["ref"] == run.head_branch:
                found.append(int(pull["number"]))
    return found[:_MOST_PULL_REQUESTS]


def _result(github: GitHub, inputs: Inputs, run: ForeignRun) -> Result:
    """What the run's report says; a report that is missing or forged badly is told, not believed."""
    name = artifact_name(inputs)
    with tempfile.TemporaryDirectory(prefix="budgetguard-") as folder:
        file = Path(folder, REPORT_NAME)
        try:
            file.write_bytes(_artifact(github, run, name))
            return told_by(read_report(file))
        except UsageError as error:
            said = str(error).replace(str(file), REPORT_NAME)
            return Result(code=4, problem=f"no report of this run: {said}")


def _artifact(github: GitHub, run: ForeignRun, name: str) -> bytes:
    """The report in the newest artifact of that name; raises `UsageError` without one.

    One that an earlier attempt of the run left is none: it tells of what nobody asks any more.
    """
    listed = [
        one
        for page_of in github.pages(f"actions/runs/{run.number}/artifacts", name=name)
        for one in page_of["artifacts"]
        if one["name"] == name and not one["expired"] and one["created_at"] >= run.started
    ]
    if not listed:
        raise UsageError(f"the run has no artifact {name!r}; did it end before it measured?")
    newest = max(int(one["id"]) for one in listed)
    return _unzipped(github.download(f"actions/artifacts/{newest}/zip"), name)


def _unzipped(content: bytes, name: str) -> bytes:
    """One file of known name and bounded size; nothing is ever unpacked to a path of the archive's."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            packed = archive.getinfo(REPORT_NAME).compress_type
            if packed in _BOUNDED:
                with archive.open(REPORT_NAME) as stream:
                    return stream.read(LARGEST_BYTES + 1)
    except Exception:  # noqa: BLE001  # a hostile archive fails in any way there is
        raise UsageError(f"artifact {name!r} is no archive with a {REPORT_NAME}") from None
    raise UsageError(f"artifact {name!r} is packed as GitHub packs none")


def _github(environment: Mapping[str, str], repository: str) -> GitHub:
    token = environment.get("GITHUB_TOKEN", "")
    if not token or not token.isascii() or not token.isprintable():
        how = "holds what no token does" if token else "is empty"
        raise UsageError(
            f"input github-token: {how}; expected ${{{{ github.token }}}}, the default"
        )
    url = environment.get("GITHUB_API_URL", "https://api.github.com")
    return GitHub(url, repository, token)


def _unwritten(error: BudgetguardError) -> BudgetguardError:
    """The error, with what to do where a token may not write."""
    if isinstance(error, ApiError) and error.status in (401, 403):
        return ApiError(
            f"{error}; expected: `permissions: pull-requests: write`, and for forks and Dependabot a "
            f"second workflow on workflow_run. The verdict and the summary are whole",
            error.status,
        )
    return error
