"""Bundles and commands that measured nothing, or something else: never green."""

from types import MappingProxyType

import pytest

SITECUSTOMIZE = """\
import os
import sys


def vanish(event, arguments):
    if event == "open" and str(arguments[0]).endswith("doomed.js") and os.path.exists(arguments[0]):
        os.unlink(arguments[0])


sys.addaudithook(vanish)
"""


@pytest.fixture
def site(project):
    """Writes a configuration with one bundle or command, called `app`, and files beside it."""

    def write(config, files=MappingProxyType({})):
        text = f"version: 1\nbudgets:\n  app:\n    {config}\n"
        return project.write({"budgetguard.yml": text, **files})

    return write


BUNDLES = {
    "no file": ("bundle: dist/*.js", {}, "matches no file"),
    "renamed": ("bundle: dist/app-*.js", {"dist/main-1.js": "a"}, "matches no file"),
    "hidden": ("bundle: dist/*.js", {"dist/.app.js": "a"}, "matches no file"),
    "one of two": ("bundle: [a.js, b.js]", {"a.js": "a"}, "`b.js` matches no file"),
    "an empty folder": ("bundle: dist/empty", {"dist/a.js": "a"}, "matches no file"),
    "case": ("bundle: dist/*.JS", {"dist/a.js": "a"}, "matches no file"),
    "braces": ("bundle: 'dist/{a,b}.js'", {"dist/a.js": "a"}, "braces are not read"),
    "emptied": ("bundle: dist", {"dist/a.js": "", "dist/b.js": ""}, "empty"),
}


@pytest.mark.parametrize(("bundle", "files", "cause"), BUNDLES.values(), ids=BUNDLES)
def test_a_bundle_without_its_files(site, bundle, files, cause):
    """A bundle that matches nothing, or nothing but empty files, is an error and not 0 bytes."""
    site(f"{bundle}\n    limits: [raw <= 100 kB]", files).check().ends(4, "ERROR app", cause)


def test_a_selector_without_a_match(site):
    """A limit on a part that the bundle does not have is an error."""
    project = site("bundle: dist\n    limits: [vendor* raw <= 1 kB]", {"dist/app.js": "a"})

    project.check().ends(4, "ERROR app", "'vendor*' matches no part")


def test_hidden_files_of_a_folder(site):
    """A folder counts all that is deployed with it, hidden files too, and names them."""
    project = site("bundle: dist\n    limits: [raw <= 1 kB]", {"dist/.map": "a" * 2000})

    project.check().ends(1, "FAIL app raw <= 1 kB", "dist/.map")


def test_a_file_that_vanishes_while_it_is_measured(site):
    """A file that goes between finding and reading it is an error, not a smaller bundle."""
    files = {"dist/a.js": "a", "dist/doomed.js": "a" * 100, "hook/sitecustomize.py": SITECUSTOMIZE}
    project = site("bundle: dist\n    limits: [gzip <= 1 kB]", files)

    told = project.check(env={"PYTHONPATH": str(project.folder / "hook")})
    told.ends(4, "ERROR app gzip <= 1 kB", "doomed.js: vanished while it was measured")


def test_a_link_to_nothing(site):
    """A dangling link is a broken build."""
    project = site("bundle: dist\n    limits: [raw <= 1 kB]", {"dist/a.js": "a"})
    (project.folder / "dist/b.js").symlink_to("gone.js")

    project.check().ends(4, "ERROR app", "dist/b.js: is a link to nothing")


WHEELS = {
    "no member": (b"PK\x05\x06" + b"\0" * 18, "empty"),
    "no archive": (b"oops", "a.whl"),
    "nothing": (b"", "a.whl"),
}


@pytest.mark.parametrize(("content", "cause"), WHEELS.values(), ids=WHEELS)
def test_a_wheel_that_was_rebuilt_empty(site, content, cause):
    """An archive that holds nothing, or is none, is an error and not a very small one."""
    project = site("bundle: dist/*.whl\n    limits: [raw <= 100 kB]", {"dist/a.whl": ""})
    (project.folder / "dist/a.whl").write_bytes(content)

    project.check().ends(4, "ERROR app", cause)


COMMANDS = {
    "missing": ("command: no-such-program --help", "no-such-program"),
    "exit code": ('command: [sh, -c, "exit 3"]', "ended with exit code 3"),
    "traceback": ('command: [python, -c, "1/0"]', "ended with exit code 1"),
    "killed": ('command: [sh, -c, "kill -9 $$"]', "was killed by SIGKILL"),
    "hanging": ("command: sleep 1000\n    timeout: 1 s", "did not end within 1 s"),
    "daemon": (
        'command: [sh, -c, "setsid sleep 1000 >/dev/null 2>&1 & true"]',
        "left a process behind",
    ),
    "setup": ('command: "true"\n    setup: "false"', "setup `false` ended with exit code 1"),
    "folder": ('command: "true"\n    cwd: no/such/folder', "no/such/folder"),
}


@pytest.mark.parametrize(("command", "cause"), COMMANDS.values(), ids=COMMANDS)
def test_a_command_that_did_not_work(site, command, cause):
    """A command that fails, hangs or leaves something behind has no cost that could be judged."""
    site(f"{command}\n    limits: [wall <= 100 s]").check().ends(4, "ERROR app", cause)


@pytest.mark.parametrize("line", ["false || true", "false; true", "make | tee log", "a && b"])
def test_a_shell_line_that_swallows_an_exit_code(site, line):
    """Text with shell syntax is refused, so that a swallowed exit code is always spelt out."""
    site(f"command: {line}\n    limits: [wall <= 1 s]").check().ends(2, "command", "shell")


PRINTED = {
    "nothing": ("pass", "expected a line with a JSON object that holds tokens"),
    "no number": ("print('{}')", "tokens is missing"),
    "text": ('print(\'{\\"tokens\\": \\"12\\"}\')', "expected a number"),
    "NaN": ("print('{\\\"tokens\\\": NaN}')", "expected a finite number from 0 on; got nan"),
    "infinity": ("print('{\\\"tokens\\\": 1e999}')", "expected a finite number"),
    "negative": ("print('{\\\"tokens\\\": -1}')", "expected a finite number from 0 on"),
    "null": ("print('{\\\"tokens\\\": null}')", "got null"),
    "true": ("print('{\\\"tokens\\\": true}')", "got true or false"),
    "cut off": ("print('{\\\"tokens\\\": 1')", "expected a line with a JSON object"),
    "on standard error": (
        "import sys; print('{\\\"tokens\\\": 1}', file=sys.stderr)",
        "expected a line with a JSON object",
    ),
}


@pytest.mark.parametrize(("code", "cause"), PRINTED.values(), ids=PRINTED)
def test_a_command_that_prints_no_number(site, code, cause):
    """A declared number that is not printed, or is none, is an error and not 0."""
    project = site(
        f'command: [python, -c, "{code}"]\n'
        "    numbers: {tokens: exact count}\n    limits: [tokens <= 10]"
    )

    project.check().ends(4, "ERROR app", cause)


def test_a_command_that_prints_without_end(site):
    """300 MB of output are read away without being kept; the last line still counts."""
    code = (
        "import sys; block = b'x' * 999_999 + b'\\\\n'; "
        "[sys.stdout.buffer.write(block) for _ in range(300)]; "
        "print('{\\\"tokens\\\": 11}')"
    )
    project = site(
        f'command: [python, -c, "{code}"]\n'
        "    numbers: {tokens: exact count}\n    limits: [tokens <= 10]"
    )

    project.check().ends(1, "FAIL app tokens <= 10", "11 is over 10")
