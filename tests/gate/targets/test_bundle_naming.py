"""Parts keep their name from build to build."""

from pathlib import Path

import pytest

from budgetguard.gate.limits import parse_limit
from budgetguard.gate.model import Budget, Request, Where
from budgetguard.gate.side import Side
from budgetguard.gate.targets import bundle
from budgetguard.gate.targets.bundle.naming import stable_names


@pytest.mark.parametrize(
    ("name", "stable"),
    [
        ("dist/assets/index-Bnj3e-Fu.js", "dist/assets/index-*.js"),
        ("main.3f2a9c81d04b.css", "main.*.css"),
        ("chunk-2ABCDEFG.js.gz", "chunk-*.js.gz"),
        ("assets/logo-a1B2c3D4.svg", "assets/logo-*.svg"),
    ],
)
def test_a_content_hash_is_left_out(name: str, stable: str) -> None:
    """A part of a built front end is known by what stays of its name."""
    assert stable_names([name]) == {name: stable}


@pytest.mark.parametrize(
    "name", ["index.html", "app.js", "vendor/react.js", "my-app.js", "3f2a9c81d04b.css"]
)
def test_a_name_without_a_hash_stays(name: str) -> None:
    """Nothing is taken out of a name that tells the file by itself."""
    assert stable_names([name]) == {}


def test_two_files_never_share_a_name() -> None:
    """Files that only their hash tells apart keep it."""
    assert stable_names(["a/index-AAAA1111.js", "a/index-BBBB2222.js"]) == {}


@pytest.mark.parametrize(
    ("selector", "part"),
    [
        ("assets/index-*.js", "assets/index-*.js"),
        ("*.js", "assets/index-*.js"),
        ("assets/index-Bnj3e-Fu.js", "assets/index-Bnj3e-Fu.js"),
        ("assets/index-B*.js", "assets/index-Bnj3e-Fu.js"),
    ],
)
def test_a_reading_goes_by_the_name_its_selector_means(
    tmp_path: Path, selector: str, part: str
) -> None:
    """A rebuilt file is the same part, unless the limit names the hash itself."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "index-Bnj3e-Fu.js").write_bytes(b"x" * 10)
    limit = parse_limit(f"{selector} raw <= 1 kB", bundle.METRICS)
    options = bundle.BundleOptions(entries=("assets",))
    budget = Budget(name="b", target="bundle", limits=(limit,), where=Where(""), options=options)
    (job,) = bundle.plan([budget], Request(), tmp_path)
    with job.start(Side("head", tmp_path, "python")) as probe:
        readings = probe.round([budget])
    assert [(point.selector, reading.value) for point, reading in readings.items()] == [(part, 10)]
