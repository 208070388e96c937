"""`make demo`: check the example application, then break one of its budgets on a copy and check that.

The copy loses the one line that loads the pages of all searches together, so that each search asks
for its own: the regression that everybody writes once.
"""

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
APP = HERE / "content_app"
COPY = HERE.parent / ".demo" / "content_app"
BROKEN_FILE = Path("content_app/catalogue.py")
BROKEN_LINE = "        .options(selectinload(SearchAnalysis.pages))\n"
BROKEN_TEST = "tests/test_api.py::test_searches_come_with_their_pages"


def main() -> int:
    """Show a green report and a red one; 0 when each came out as it should."""
    tell(f"the example application, as it is committed: {APP.relative_to(HERE.parent)}")
    green = check(APP)
    tell(f"a copy of it without one line of {BROKEN_FILE}:\n  - {BROKEN_LINE.strip()}")
    break_copy()
    red = check(COPY, BROKEN_TEST)
    shutil.rmtree(COPY.parent)
    tell(
        f"the first ended with exit code {green}, within budget; the second with {red}, over budget"
    )
    return 0 if (green, red) == (0, 1) else 1


def check(folder: Path, *names: str) -> int:
    """Run `budgetguard check` in a folder, as a person would."""
    shown = folder.relative_to(HERE.parent)
    print(f"$ cd {shown} && budgetguard check {' '.join(names)}".rstrip(), flush=True)
    command = [sys.executable, "-m", "budgetguard", "check", *names]
    return subprocess.run(command, cwd=folder, timeout=600, check=False).returncode


def break_copy() -> None:
    """Copy the application, what git ignores left out, and take the line away."""
    shutil.rmtree(COPY.parent, ignore_errors=True)
    leftovers = shutil.ignore_patterns(
        "node_modules", "__pycache__", ".pytest_cache", "*.egg-info", "*.db"
    )
    shutil.copytree(APP, COPY, ignore=leftovers)
    source = (COPY / BROKEN_FILE).read_text()
    if source.count(BROKEN_LINE) != 1:
        raise SystemExit(f"the line to break is not once in {BROKEN_FILE}; mend examples/demo.py")
    (COPY / BROKEN_FILE).write_text(source.replace(BROKEN_LINE, ""))


def tell(text: str) -> None:
    """Say what comes next."""
    print(f"\n=== {text}\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
