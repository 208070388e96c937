"""More history for a shallow clone, and the commit that two branches have in common.

A fetch here adds objects and moves the end of a shallow clone; no branch, tag or FETCH_HEAD moves.
"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from budgetguard.gate.sides.git import BaseError, ask, need

FETCH_S = 90.0
"""How long all fetches together may take."""
LARGEST_FETCH = 50
"""How many branches are asked for at once."""
_STEPS = ("--deepen=50", "--deepen=500", "--unshallow")
_QUIET = ("-q", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--refmap=")


def boundary(root: Path) -> frozenset[str]:
    """The commits at which a shallow clone was cut."""
    file = root / need(root, "rev-parse", "--git-path", "shallow").text
    try:
        return frozenset(file.read_text().split())
    except FileNotFoundError:
        return frozenset()


def deepened(root: Path, choices: Sequence[Sequence[str]] = ()) -> Iterator[str]:
    """Fetch more history before each step; ends where there is no more, or it cannot be had.

    Of HEAD, or of the first of the `choices` of commits that the server gives.
    """
    until_s = time.monotonic() + FETCH_S
    for step in _STEPS:
        left_s = until_s - time.monotonic()
        if left_s <= 0 or not _fetch(root, [step], choices or _tips(root), left_s):
            return
        yield step


def merge_base(root: Path, base: str, merged: str = "") -> str:
    """The commit from which HEAD and `base`, a full name, went apart; fetches what is missing.

    `merged` is a merge onto the base that GitHub made: where HEAD is that commit, it is its first
    parent, whatever was pushed to the base meanwhile. Raises `BaseError` where it cannot be found.
    """
    head = ask(root, "rev-parse", "--verify", "--quiet", "HEAD").text
    if not head:
        raise BaseError(f"{root} has no commit yet, so there is no base")
    if head == merged and len(parents := _parents(root, head)) > 1:
        base = parents[0]
        _bring(root, base)
        return base
    _bring(root, base)
    if found := ask(root, "merge-base", base, head).text:
        return found
    for _ in deepened(root, [[head, base], [base]]) if boundary(root) else ():
        if found := ask(root, "merge-base", base, head).text:
            return found
    if boundary(root):
        raise BaseError(shallow_text(root, f"the commit that HEAD and {base[:10]} have in common"))
    raise BaseError(f"HEAD and {base[:10]} have no commit in common, so there is no base")


def shallow_text(root: Path, what: str) -> str:
    """What is missing in a shallow clone, and how to have it."""
    return (
        f"this is a shallow clone ({root}), and {what} may lie beyond its end: "
        f"git fetch --unshallow, or in GitHub Actions `fetch-depth: 0` for actions/checkout"
    )


def _parents(root: Path, commit: str) -> list[str]:
    """As the commit itself says: those that a shallow clone cut off, too."""
    head = need(root, "cat-file", "commit", commit).text.partition("\n\n")[0]
    return [line.split(" ")[1] for line in head.split("\n") if line.startswith("parent ")]


def _bring(root: Path, commit: str) -> None:
    """Fetch one commit that is not here."""
    if ask(root, "cat-file", "-e", f"{commit}^{{commit}}").code == 0:
        return
    depth = ["--depth=1"] if boundary(root) else []  # it would cut a whole clone
    if not _fetch(root, depth, [[commit]], FETCH_S):
        raise BaseError(
            shallow_text(root, f"the base {commit[:10]}")
            + "; a private repository needs `persist-credentials: true`, or that depth"
            if boundary(root)
            else f"{root} does not have the base {commit[:10]}, and its remote does not give it; "
            f"is it the repository of the pull request?"
        )


def _tips(root: Path) -> list[list[str]]:
    """What to ask for: a commit made here is unknown there, and not every server gives one by name."""
    head = need(root, "rev-parse", "HEAD").text
    form = "--format=%(objectname)"
    tips = ask(root, "for-each-ref", form, f"refs/remotes/{_remote(root)}").text.split()
    return [[head], list(dict.fromkeys(tips))[:LARGEST_FETCH], ["HEAD"]]


def _remote(root: Path) -> str:
    remotes = ask(root, "remote").text.split("\n")
    return "origin" if "origin" in remotes else remotes[0]


def _fetch(
    root: Path, depth: Sequence[str], choices: Sequence[Sequence[str]], timeout_s: float
) -> bool:
    """Fetch the first of the choices that the server gives; whether it gave one."""
    remote = _remote(root)
    for wanted in choices if remote else ():
        try:
            done = ask(root, "fetch", *depth, *_QUIET, remote, *wanted, timeout_s=timeout_s)
        except BaseError:  # too slow
            return False
        if done.code == 0:
            return True
    return False
