"""What a pull request and the summary of a job show: the report, what is looser, what went wrong."""

from collections.abc import Iterator, Sequence

from budgetguard.action.result import Result
from budgetguard.gate.report import markdown
from budgetguard.gate.report.markdown import escape

LOOSER_TITLE = "looser than before, and nobody accepted it"
LARGEST = 60_000
"""Characters; what a comment adds of its own fits beside them into the 65 536 that GitHub takes."""
_LONGEST_LINE = 500
_MOST_LINES = 40


def page(result: Result, commit_it: str = "") -> str:
    """The Markdown of one run."""
    return "\n".join(_parts(result, commit_it))


def footer(links: Sequence[tuple[str, str]], said: str = "") -> str:
    """A line of links, each a name of ours and an address of GitHub's."""
    shown = [f"[{name}]({url})" for name, url in links if url]
    return f"\n<sub>{' · '.join([*shown, *([said] if said else [])])}</sub>\n"


def _parts(result: Result, commit_it: str) -> Iterator[str]:
    if result.problem:
        yield f"### ⚠️ budgetguard judged nothing · exit {result.code}\n"
        yield _lines(result.problem.splitlines())
    if result.loosened:
        yield f"### ❌ {LOOSER_TITLE}\n"
        yield _lines([line for text in result.loosened for line in text.splitlines()])
    if result.report:
        yield markdown.render(result.report, LARGEST - _MOST_LINES * _LONGEST_LINE)
    if commit_it:
        yield "### New baseline\n\nTake it and commit it:\n"
        yield f"```sh\n{commit_it}\n```\n"


def _lines(lines: Sequence[str]) -> str:
    """Lines from outside, each inert."""
    shown = [f"<code>{escape(line, _LONGEST_LINE)}</code>" for line in lines if line.strip()]
    cut = [f"… {len(shown) - _MOST_LINES} more lines"] if len(shown) > _MOST_LINES else []
    return "<br>\n".join([*shown[:_MOST_LINES], *cut]) + "\n"
