"""What a pull request and the summary of a job show: the report, what is looser, what went wrong."""

from collections.abc import Iterator, Sequence

from budgetguard.action.result import LOOSER_TITLE, Result
from budgetguard.gate.report import markdown
from budgetguard.gate.report.markdown import escape

LARGEST_COMMENT = 60_000
"""Characters; what a comment adds of its own fits beside them into the 65 536 that GitHub takes."""
LARGEST_SUMMARY = 250_000
"""Characters of up to four bytes: GitHub drops a summary of over a MiB."""
_LONGEST_LINE = 500
_MOST_OF_LINES = 12_000
"""Characters of one list of lines, escaped."""
_LEAST_OF_REPORT = 10_000


def page(result: Result, commit_it: str = "", largest: int = LARGEST_COMMENT) -> str:
    """The Markdown of one run."""
    head = "\n".join(_head(result, commit_it))
    if not result.report:
        return head
    room = max(largest - len(head), _LEAST_OF_REPORT)
    return f"{head}\n{markdown.render(result.report, room)}"


def footer(links: Sequence[tuple[str, str]], said: str = "") -> str:
    """A line of links, each a name of ours and an address of GitHub's."""
    shown = [f"[{name}]({url})" for name, url in links if url]
    return f"\n<sub>{' · '.join([*shown, *([said] if said else [])])}</sub>\n"


def _head(result: Result, commit_it: str) -> Iterator[str]:
    if result.problem:
        judged = "could not judge everything" if result.report else "judged nothing"
        yield f"### ⚠️ budgetguard {judged} · exit {result.exit_code}\n"
        yield _lines(result.problem.splitlines())
    if result.loosened:
        yield f"### ❌ {LOOSER_TITLE}\n"
        yield _lines([line for text in result.loosened for line in text.splitlines()])
    if commit_it:
        yield "### New baseline\n\nTake it and commit it:\n"
        yield f"```sh\n{commit_it}\n```\n"


def _lines(lines: Sequence[str]) -> str:
    """Lines from outside, each inert, as many as there is room for."""
    told = [f"<code>{escape(line, _LONGEST_LINE)}</code>" for line in lines if line.strip()]
    shown, room = [], _MOST_OF_LINES
    for line in told:
        room -= len(line)
        if room < 0:
            break
        shown.append(line)
    cut = [f"… {len(told) - len(shown)} more lines"] if len(told) > len(shown) else []
    return "<br>\n".join([*shown, *cut]) + "\n"
