"""Run every benchmark of this folder and keep what each printed.

    python benchmarks/run_all.py [--full] [--docs] [NAME ...]

Without --full the settings are short: they prove that everything runs, and their figures are rough.
With it they are those of docs/benchmarks.md; leave the machine alone for that long. Every table goes
to .benchmarks/NAME.md in the root of the repository, and to standard output; --docs puts it into
docs/benchmarks.md, too.
"""

import argparse
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
RESULTS = FOLDER.parent / ".benchmarks"
DOCS = FOLDER.parent / "docs" / "benchmarks.md"


@dataclass(frozen=True)
class Settings:
    """The arguments of a script for a short and a full run, and when it is ended."""

    short: str
    full: str
    timeout_s: float = 1500.0


SCRIPTS = {
    "start_up": Settings("--minutes 1 --rounds 10", "--minutes 10 --rounds 300"),
    "repeatability": Settings("--runs 6 --minutes 1", "--runs 50 --minutes 12"),
    "large_project": Settings("--rounds 3 --minutes 1", "--rounds 9 --minutes 8"),
    "meter_cost": Settings("15", "120"),
    "recorder_cost": Settings("--rounds 3", "--rounds 25"),
    "block_noise": Settings("--blocks 2", "--blocks 24"),
    "power_of_looks": Settings("", ""),
    "leak_accuracy": Settings("1", "5"),
    "hook_times": Settings("--rounds 3", "--rounds 15"),
    "action_times": Settings("--rounds 2", "--rounds 15"),
    "load.accuracy": Settings("--seconds 4", "--seconds 60"),
    "load.users": Settings("--seconds 5 --users 500", "--seconds 15"),
    "load.relative": Settings("--rounds 1 --only waits", "--rounds 30", timeout_s=6 * 3600),
    "load.overhead": Settings("--rounds 2", "--rounds 15"),
    "cache.hits": Settings("--rounds 5", "--rounds 40"),
    "cache.money": Settings("--quick", ""),
    "cache.memory": Settings("--quick", ""),
    "cache.herd": Settings("--repeats 1", "--repeats 2"),
    "cache.leader": Settings("--repeats 1", "--repeats 2"),
    "cache.outage": Settings("--repeats 1", "--repeats 2"),
    "cache.poison": Settings("", ""),
    "cache.clock": Settings("", ""),
    "cache.throughput": Settings("--seconds 1", "--seconds 3"),
    "image.quality": Settings("--few", ""),
    "image.score": Settings("--rounds 2", "--rounds 9"),
}


def main() -> int:
    """Run what is asked for; the exit code is 1 when a script failed."""
    reader = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    reader.add_argument("names", nargs="*", metavar="NAME", help="only these (default: all)")
    reader.add_argument("--full", action="store_true", help="the settings of docs/benchmarks.md")
    reader.add_argument(
        "--docs", action="store_true", help="put the tables into docs/benchmarks.md"
    )
    asked = reader.parse_args()
    here = {file.stem for file in FOLDER.glob("*.py")} - {Path(__file__).stem}
    known = {*SCRIPTS, *here}
    if strange := sorted(set(asked.names) - known):
        reader.error(f"no benchmark {strange[0]}; there are: {', '.join(sorted(known))}")
    RESULTS.mkdir(exist_ok=True)
    failed = [name for name in asked.names or SCRIPTS if not run(name, full=asked.full)]
    failed += [name for name in sorted(here.difference(SCRIPTS)) if not asked.names]
    for name in sorted(here.difference(SCRIPTS)):
        print(f"{name} has no row in SCRIPTS of {Path(__file__).name}", file=sys.stderr)
    if asked.docs:
        for name in set(asked.names or SCRIPTS).difference(failed):
            put_into_docs(name)
    print(f"\nresults: {RESULTS}{'; failed: ' + ', '.join(failed) if failed else ''}")
    return 1 if failed else 0


def run(name: str, *, full: bool) -> bool:
    """Run one script, print its tables and keep them; whether it ended as it should."""
    settings = SCRIPTS.get(name, Settings("", ""))
    arguments = (settings.full if full else settings.short).split()
    in_package = "." in name
    script = ["-m", f"benchmarks.{name}"] if in_package else [f"benchmarks/{name}.py"]
    command = [sys.executable, *script, *arguments]
    shown = " ".join(["python", *script, *arguments])
    print(f"\n## {name}\n\n    {shown}\n", flush=True)
    began_s = time.monotonic()
    try:
        done = subprocess.run(
            command,
            cwd=FOLDER.parent,
            stdout=subprocess.PIPE,
            text=True,
            timeout=settings.timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        print(f"ended after {settings.timeout_s:.0f} s", file=sys.stderr)
        return False
    print(done.stdout, flush=True)
    if done.returncode:
        print(f"exit code {done.returncode}", file=sys.stderr)
        return False
    took = f"{time.monotonic() - began_s:.0f} s"
    (RESULTS / f"{name}.md").write_text(f"    {shown}    # {took}\n\n{done.stdout}")
    return True


def put_into_docs(name: str) -> None:
    """Put the kept table of a script between its two marks."""
    kept = (RESULTS / f"{name}.md").read_text().strip("\n")
    marks = re.compile(rf"(<!-- figures of {name} -->\n).*?(<!-- end of figures -->)", re.DOTALL)
    text, found = marks.subn(lambda m: f"{m[1]}\n{kept}\n\n{m[2]}", DOCS.read_text())
    if not found:
        print(f"{DOCS}: no marks for the figures of {name}", file=sys.stderr)
    DOCS.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
