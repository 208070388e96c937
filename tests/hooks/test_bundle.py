"""`hook bundle`: what is built is measured, what is not is told."""

import os

from .conftest import CONFIG

HOUR_S = 3600


def test_a_built_bundle_is_judged(repo):
    """Within its budget a push goes on, over it it does not, with the numbers."""
    repo.hook("bundle").ends(0, "app raw 100 B of 200 B", "exit 0")
    repo.write({"dist/app.js": "a" * 300}).hook("bundle").ends(1, "300 B is over 200 B")


def test_what_is_not_built_stops_no_push(repo):
    """A checkout without a build is no failure here: CI builds."""
    (repo.folder / "dist" / "app.js").unlink()
    repo.hook("bundle").ends(0, "note app is not built", "`dist` matches no file", "build it first")


def test_a_build_that_lacks_a_part_is_red(repo):
    """One entry of several without a file is a mistake, and no missing build."""
    repo.config(CONFIG.replace("bundle: dist", "bundle: [dist, styles/*.css]"))
    repo.hook("bundle").ends(4, "`styles/*.css` matches no file")


def test_a_build_older_than_its_sources_is_told(repo):
    """The size of yesterday's build is not the size of what is pushed; it is judged all the same."""
    repo.write({"src/app.ts": "let a", "notes.md": "x"}).stage()
    built_s = (repo.folder / "dist/app.js").stat().st_mtime
    os.utime(repo.folder / "notes.md", (built_s + HOUR_S, built_s + HOUR_S))
    os.utime(repo.folder / "src/app.ts", (built_s - HOUR_S, built_s - HOUR_S))
    assert "older" not in repo.hook("bundle").ends(0).said
    os.utime(repo.folder / "src/app.ts", (built_s + HOUR_S, built_s + HOUR_S))
    repo.hook("bundle").ends(0, "note app is older than src/app.ts", "build it again", "exit 0")


def test_nothing_to_measure(empty):
    """No configuration, or one without bundles, is nothing to stop a push for."""
    empty.hook("bundle").ends(0, "no configuration here")
    empty.config("version: 1\nbudgets: {}\n").hook("bundle").ends(0)
    empty.config("version: 2\n").hook("bundle").ends(2, "budgetguard.yml:1")


def test_outside_of_git(repo, tmp_path):
    """Without git nothing is known of sources, and the sizes are judged."""
    (repo.folder / ".git").rename(tmp_path / "elsewhere")
    repo.hook("bundle").ends(0, "exit 0")
