"""What no linter checks: names inside action.yml, pins, permissions, and what the documentation says of both.

A rule takes the files by their path and returns its complaints. Each one also has to complain of a
mistake put into the text.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from budgetguard import __version__
from budgetguard.action.flow import run
from budgetguard.action.inputs import read_inputs
from budgetguard.action.runner import COMMENT_OUTPUTS, RUN_OUTPUTS

ROOT = Path(__file__).resolve().parents[2]
ACTION, PAGE = "action.yml", "docs/github.md"
WRITTEN = {"budgetguard action run": RUN_OUTPUTS, "budgetguard action comment": COMMENT_OUTPUTS}
"""What a step of ours writes to GITHUB_OUTPUT, by its command; the others write nothing."""
UPLOADED = ("artifact-id", "artifact-url", "artifact-digest")
"""The outputs of actions/upload-artifact."""
OURS = f"OWNER/budgetguard@v{__version__}"
EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
USES = re.compile(r"\buses: +(\S+)(?: +# +(.*))?")
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")


@pytest.fixture(scope="module")
def files():
    """The text of action.yml, of every workflow, and of the page about them."""
    globs = (ACTION, PAGE, ".github/workflows/*.yml", "examples/workflows/*.yml")
    found = [file for pattern in globs for file in sorted(ROOT.glob(pattern))]
    assert len(found) >= 9
    return {file.relative_to(ROOT).as_posix(): file.read_text(encoding="utf-8") for file in found}


def action_of(files):
    return yaml.safe_load(files[ACTION])


def workflows(files):
    """The path and content of each workflow."""
    return [(name, yaml.safe_load(files[name])) for name in files if "/workflows/" in name]


def triggers(workflow):
    return set(workflow.get("on", workflow.get(True)))  # YAML 1.1 takes `on` for true


def texts(value) -> Iterator[str]:
    """Every scalar below a node, as text."""
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from texts(item)
    else:
        yield str(value)


def expressions(step):
    """What GitHub evaluates in a step; `if` needs no braces."""
    found = [one for text in texts(step) for one in EXPRESSION.findall(text)]
    return [*found, str(step.get("if", ""))]


def references(context, expression):
    """The names after `context.`, and a complaint where one is in brackets, which is not followed."""
    yield from re.findall(rf"\b{context}\.([\w-]+(?:\.[\w-]+)*)", expression)
    if re.search(rf"\b{context}\[", expression):
        yield f"[…] in {expression.strip()}; write {context}.name"


def written(step):
    """The outputs that a step has."""
    if "actions/upload-artifact@" in step.get("uses", ""):
        return UPLOADED
    return next((WRITTEN[name] for name in WRITTEN if name in step.get("run", "")), ())


def inputs_resolve(files):
    """Every input that is used is declared, and every input that is declared is used."""
    action = action_of(files)
    steps = action["runs"]["steps"]
    used = {
        name for step in steps for text in expressions(step) for name in references("inputs", text)
    }
    declared = set(action["inputs"])
    yield from (f"no input {name}" for name in used - declared)
    yield from (f"input {name} is used nowhere" for name in declared - used)


def outputs_resolve(files):
    """Every output of a step that is used is one that a step before it writes."""
    action = action_of(files)
    known = {}
    for step in action["runs"]["steps"]:
        for text in expressions(step):
            yield from unresolved(text, known)
        known[step["id"]] = written(step)
    for name, output in action["outputs"].items():
        found = [
            one for text in EXPRESSION.findall(output["value"]) for one in unresolved(text, known)
        ]
        yield from (f"output {name}: {one}" for one in found)


def unresolved(expression, known):
    """The outputs that none of the known steps has."""
    for path in references("steps", expression):
        step, kind, *name = path.split(".")
        if step not in known:
            yield f"no step {step} before steps.{path}"
        elif kind == "outputs" and (len(name) != 1 or name[0] not in known[step]):
            yield f"step {step} writes no {'.'.join(name)}"
        elif kind not in ("outputs", "outcome", "conclusion"):
            yield f"a step has no {kind}"


def environment_is_named_after_inputs(files):
    """INPUT_X holds input x, in every step, and the step that measures is given all that it reads."""
    asked = Asked()
    read_inputs(asked)
    for step in action_of(files)["runs"]["steps"]:
        given = {
            name: text for name, text in step.get("env", {}).items() if name.startswith("INPUT_")
        }
        for name, text in given.items():
            wanted = name.removeprefix("INPUT_").lower().replace("_", "-")
            if text != f"${{{{ inputs.{wanted} }}}}":
                yield f"{step['id']}: {name} is {text}"
        if step["id"] == "run":
            yield from (f"run is not given {name}" for name in asked.names - set(given))


class Asked(dict):
    """An empty environment that keeps what it is asked for."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def get(self, name, default=None):
        self.names.add(name)
        return default


def scripts_hold_no_expression(files):
    """No script has an expression in it: its value would be run, not read."""
    for name, text in files.items():
        if name == PAGE:
            continue
        content = yaml.safe_load(text)
        jobs = content.get("jobs", {"": content.get("runs", {})})
        for step in (step for job in jobs.values() for step in job.get("steps", ())):
            if "${{" in step.get("run", ""):
                yield f"{name}: {step['run']}"


def pins_are_whole(files):
    """What is not ours is pinned by a commit, with its version beside it, the same one everywhere."""
    seen = {}
    for name, text in files.items():
        for uses, comment in USES.findall(text):
            action = uses.partition("@")[0]
            if uses == "./" or (uses == OURS and name.startswith(("examples/", "docs/"))):
                continue
            if not PINNED.fullmatch(uses):
                yield f"{name}: {uses} is not pinned by its commit"
            elif not re.match(r"v[0-9]+(\.[0-9]+)+", comment):
                yield f"{name}: {uses} has no version beside it"
            elif seen.setdefault(action, (uses, comment.split()[0])) != (uses, comment.split()[0]):
                yield f"{name}: {uses} differs from {seen[action]}"


def permissions_are_least(files):
    """A workflow grants nothing to all its jobs; a job writes comments, or publishes from an environment."""
    for name, workflow in workflows(files):
        if workflow.get("permissions") != {}:
            yield f"{name}: permissions of the workflow are not {{}}"
        for job, content in workflow["jobs"].items():
            granted = content.get("permissions")
            if not isinstance(granted, dict):
                yield f"{name}: job {job} names no permissions"
                continue
            writes = {scope for scope, how in granted.items() if how == "write"}
            free = {"pull-requests", *(["id-token"] if content.get("environment") else [])}
            yield from (f"{name}: job {job} may write {scope}" for scope in sorted(writes - free))
            if "id-token" in writes and any("run" in step for step in content["steps"]):
                yield f"{name}: job {job} publishes and runs scripts"


def jobs_are_bounded(files):
    """Every job ends by itself, and every workflow says what a second run of it does."""
    for name, workflow in workflows(files):
        if "concurrency" not in workflow:
            yield f"{name}: no concurrency"
        for job, content in workflow["jobs"].items():
            if "timeout-minutes" not in content:
                yield f"{name}: job {job} has no timeout-minutes"


def strangers_are_not_run(files):
    """A workflow that may write for a fork's run checks out nothing and runs no script."""
    for name, workflow in workflows(files):
        if "pull_request_target" in triggers(workflow):
            yield f"{name}: pull_request_target"
        if "workflow_run" not in triggers(workflow):
            continue
        for step in (step for job in workflow["jobs"].values() for step in job["steps"]):
            if "run" in step or "actions/checkout@" in step["uses"]:
                yield f"{name}: {step.get('run', step.get('uses'))}"


def page_names_all(files):
    """The page's tables have each input with its default, and each output, and nothing else."""
    action = action_of(files)
    inputs, outputs = (table(files[PAGE], title) for title in ("Inputs", "Outputs"))
    for name, declared in action["inputs"].items():
        wanted = f"`{declared['default']}`" if declared["default"] else ""
        if wanted != inputs.get(name):
            yield f"input {name} has {inputs.get(name)!r} for {wanted!r}"
    yield from (f"no output {name}" for name in set(action["outputs"]) - set(outputs))
    yield from (f"{name} is no input" for name in set(inputs) - set(action["inputs"]))
    yield from (f"{name} is no output" for name in set(outputs) - set(action["outputs"]))


def table(text, title):
    """The second cell of each row of the table under a heading, by the name in the first."""
    section = text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([\w-]+)` \|([^|]*)\|", section, re.MULTILINE)
    return {name: cell.strip() for name, cell in rows}


START = "examples/workflows/pull-request.yml"
FORK = "examples/workflows/fork-comment.yml"
RELEASE = ".github/workflows/release.yml"
SEEDS = [
    (inputs_resolve, ACTION, "inputs.strict", "inputs.strikt", "no input strikt"),
    (inputs_resolve, ACTION, "inputs.strict", "inputs['strict']", "write inputs.name"),
    (inputs_resolve, ACTION, "inputs:\n", "inputs:\n  old: {default: ''}\n", "old is used nowhere"),
    (outputs_resolve, ACTION, "value: ${{ steps.run.", "value: ${{ steps.ran.", "no step ran"),
    (outputs_resolve, ACTION, "run.outputs.status", "run.outputs.state", "run writes no state"),
    (outputs_resolve, ACTION, "run.outputs.status", "run.output.status", "a step has no output"),
    (outputs_resolve, ACTION, "upload.outputs.artifact-url", "upload.outputs.url", "writes no url"),
    (
        outputs_resolve,
        ACTION,
        "inputs.upload-report ==",
        "steps.gate.outcome ==",
        "no step gate before",
    ),
    (
        environment_is_named_after_inputs,
        ACTION,
        "{{ inputs.only }}",
        "{{ inputs.exact }}",
        "INPUT_ONLY",
    ),
    (
        environment_is_named_after_inputs,
        ACTION,
        "        INPUT_ARGS: ${{ inputs.args }}\n",
        "",
        "not given INPUT_ARGS",
    ),
    (
        scripts_hold_no_expression,
        ACTION,
        "run: exit ",
        "run: echo ${{ inputs.args }}; exit ",
        "inputs.args",
    ),
    (
        scripts_hold_no_expression,
        START,
        "pip install",
        "pip install ${{ github.actor }}",
        "github.actor",
    ),
    (pins_are_whole, START, "actions/checkout@", "actions/checkout@v7 # ", "@v7 is not pinned"),
    (pins_are_whole, START, " # v7.0.1", "", "no version beside it"),
    (pins_are_whole, START, " # v7.0.1", " # v7.0.2", "differs from"),
    (pins_are_whole, START, OURS, "OWNER/budgetguard@main", "@main is not pinned"),
    (
        pins_are_whole,
        RELEASE,
        "pypi-publish@",
        "pypi-publish@release/v1 # ",
        "release/v1 is not pinned",
    ),
    (permissions_are_least, START, "permissions: {}\n", "", "are not {}"),
    (permissions_are_least, START, "contents: read", "contents: write", "may write contents"),
    (permissions_are_least, RELEASE, "environment:", "env:", "may write id-token"),
    (
        permissions_are_least,
        RELEASE,
        "      - uses: actions/download",
        "      - run: make\n      - uses: actions/download",
        "runs scripts",
    ),
    (jobs_are_bounded, START, "    timeout-minutes: 30\n", "", "no timeout-minutes"),
    (jobs_are_bounded, START, "concurrency:", "defaults:", "no concurrency"),
    (
        strangers_are_not_run,
        START,
        "  pull_request:",
        "  pull_request_target:",
        "pull_request_target",
    ),
    (
        strangers_are_not_run,
        FORK,
        "actions/setup-python@",
        "actions/checkout@",
        "actions/checkout@",
    ),
    (strangers_are_not_run, FORK, "    steps:\n", "    steps:\n      - run: make\n", "make"),
    (page_names_all, PAGE, "| `strict` |", "| `strickt` |", "input strict has None"),
    (page_names_all, PAGE, "| `enforce` | `true` |", "| `enforce` | `false` |", "input enforce"),
    (page_names_all, PAGE, "| `guarded` |", "| `watched` |", "no output guarded"),
]
RULES = list(dict.fromkeys(rule for rule, *_ in SEEDS))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_rule_is_kept(files, rule):
    """Each rule, said in its own first line, holds in every file."""
    assert list(rule(files)) == []


@pytest.mark.parametrize(("rule", "name", "old", "new", "complaint"), SEEDS)
def test_a_rule_sees_a_mistake(files, rule, name, old, new, complaint):
    """Each rule complains of a file in which it is broken, and says where."""
    assert old in files[name], f"{name} has changed: {old!r} is not in it; mend the seed"
    broken = {**files, name: files[name].replace(old, new, 1)}
    assert any(complaint in told for told in rule(broken)), list(rule(broken))


def test_the_outputs_are_those_that_are_written(tmp_path):
    """The step that measures writes each output that it is known for, also where nothing could be measured."""
    file = tmp_path / "outputs"
    run({"GITHUB_OUTPUT": str(file), "RUNNER_TEMP": str(tmp_path)})
    assert {line.partition("=")[0] for line in file.read_text().splitlines()} == set(RUN_OUTPUTS)
