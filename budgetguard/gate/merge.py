"""Two baselines of a git conflict -> one. Neither side can loosen the other's yardstick."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from budgetguard.errors import BaselineError
from budgetguard.gate.baseline import conflicted, parse_baseline
from budgetguard.gate.committed import OURS, THEIRS, side_of_conflict
from budgetguard.gate.model import Baseline, Point, Stored


@dataclass(frozen=True, slots=True)
class Merged:
    """One baseline of two, and the points whose sides differed: they have to be measured again."""

    baseline: Baseline
    differed: tuple[Point, ...] = ()

    @property
    def again(self) -> tuple[str, ...]:
        """The names of the budgets to be measured again."""
        return tuple(dict.fromkeys(point.budget for point in self.differed))


def conflict_of(file: Path) -> tuple[Baseline, Baseline] | None:
    """Both sides of the conflict in `file`, from its marks or from git's index; None without one.

    The marks come first, because a person may have settled a part by hand. A sound file without marks
    is settled, whatever git's index still says: what was recorded since must not be lost.
    """
    text = _text(file)
    if text is not None and conflicted(text):
        ours, theirs = split(text, file)
    else:
        found = side_of_conflict(file, OURS), side_of_conflict(file, THEIRS)
        if found == (None, None):
            return None
        ours, theirs = (side or "" for side in found)
        if not ours or not theirs:
            raise BaselineError(
                f"{file}: one side of the merge deleted it; keep it: git add {file.name}, "
                f"or delete it: git rm {file.name}"
            )
        if text is not None and _is_sound(text, file):
            return None
    return parse_baseline(ours, file), parse_baseline(theirs, file)


def _is_sound(text: str, file: Path) -> bool:
    try:
        parse_baseline(text, file)
    except BaselineError:
        return False
    return True


def split(text: str, file: Path) -> tuple[str, str]:
    """Our and their text of a file with conflict marks, in the styles merge, diff3 and zdiff3."""
    sides: dict[str, list[str]] = {"ours": [], "theirs": []}
    place = "both"
    for number, line in enumerate(text.splitlines(), start=1):
        following = _following(line, place)
        if following == "":
            raise _broken(f"{file}:{number}: a conflict mark out of place", file)
        if following:
            place = following
            continue
        for side in sides if place == "both" else (place,):
            if side in sides:
                sides[side].append(line)
    if place != "both":
        raise _broken(f"{file}: the last conflict has no end", file)
    return "\n".join(sides["ours"]), "\n".join(sides["theirs"])


def merge(ours: Baseline, theirs: Baseline) -> Merged:
    """Of what both have the tighter entry, else the one there is; the older `time`."""
    entries: dict[Point, Mapping[str, Stored]] = {}
    differed: list[Point] = []
    for point in sorted({*ours.entries, *theirs.entries}):
        left, right = ours.entries.get(point), theirs.entries.get(point)
        if left is None or right is None:
            entries[point] = left or right or {}
            continue
        entries[point] = dict(_tighter_values(left, right))
        if left != right:
            differed.append(point)
    time = min((one.time for one in (ours, theirs) if one.time), default="")
    return Merged(Baseline(entries, time), tuple(differed))


def tighter(one: Stored, other: Stored) -> Stored:
    """The one that lets less through: by the worse end of its spread, its value, its width."""
    return min(one, other, key=_looseness)


def _tighter_values(
    left: Mapping[str, Stored], right: Mapping[str, Stored]
) -> Iterator[tuple[str, Stored]]:
    for key in sorted({*left, *right}):
        found = [side[key] for side in (left, right) if key in side]
        yield key, found[0] if len(found) == 1 else tighter(*found)


def _looseness(stored: Stored) -> tuple[bool, float, float, float, str]:
    """An order without ties, so that it does not matter who merges whom."""
    value = stored.value or 0.0
    worst, sign = (stored.high, 1) if stored.better == "lower" else (stored.low, -1)
    width = stored.high - stored.low
    rest = f"{stored.spread}\0{stored.made_with}\0{stored.unit}\0{stored.target}\0{stored.better}"
    return stored.value is None, sign * worst, sign * value, width, rest


def _following(line: str, place: str) -> str | None:
    """The place after a conflict mark, "" for one out of place, None for any other line."""
    marks = {
        "<<<<<<<": {"both": "ours"},
        "|||||||": {"ours": "base"},
        "=======": {"ours": "theirs", "base": "theirs"},
        ">>>>>>>": {"theirs": "both"},
    }
    mark = line[:7]
    if mark not in marks or line[7:8] not in ("", " "):
        return None
    return marks[mark].get(place, "")


def _broken(what: str, file: Path) -> BaselineError:
    return BaselineError(f"{what}; restore the conflict: git checkout -m {file.name}")


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise BaselineError(f"{file}: cannot be read: {error}") from None
