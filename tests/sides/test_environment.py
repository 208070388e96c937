"""The base's interpreter: shared only where that is safe, else with the head's versions and no others."""

import importlib.util
import json
import os
import sys
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from budgetguard.gate.sides import project
from budgetguard.gate.sides.builder import find_uv
from budgetguard.gate.sides.checkout import check_out
from budgetguard.gate.sides.environment import environment_of, from_json, look_at, why_not_shared
from budgetguard.gate.sides.git import BaseError
from budgetguard.gate.sides.installed import Distribution, ask_interpreter

_spec = importlib.util.spec_from_file_location("sides", Path(__file__).with_name("conftest.py"))
sides = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sides)

FLIT = '[build-system]\nrequires = ["flit_core"]\nbuild-backend = "flit_core.buildapi"\n'


def pyproject(*requirements: str, more: str = "") -> str:
    """The metadata of a project called shop."""
    wanted = json.dumps(requirements)
    head = '[project]\nname = "shop"\nversion = "1"\ndescription = "x"\n'
    return f"{FLIT}{head}dependencies = {wanted}\n{more}"


def wheel(folder: Path, name: str, version: str, *requires: str) -> None:
    """A wheel of one empty module."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {one}\n" for one in requires)
    files = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        record = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
        archive.writestr(f"{info}/RECORD", record)


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels: two versions of alpha, of beta, and gamma, which only old alphas need."""
    folder = tmp_path / "wheels"
    wheel(folder, "alpha", "1.0", "gamma")
    wheel(folder, "alpha", "2.0")
    for version in ("1.0", "2.0"):
        wheel(folder, "beta", version)
    wheel(folder, "gamma", "1.0")
    for name in ("UV_FIND_LINKS", "PIP_FIND_LINKS"):
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return folder


@pytest.fixture
def bare_env(tmp_path: Path) -> "sides.HeadEnv":
    """An environment with nothing in it."""
    env = sides.HeadEnv(tmp_path / "bare-env")
    sides.uv("venv", "-q", "--python", sys.executable, str(env.folder))
    return env


def built(repo, base, env, tmp_path: Path):
    """The versions in the base's own environment, and what was told on the way."""
    check_out(base, tmp_path / "tree")
    head = look_at(repo.folder, repo.folder, env.python)
    said: list[str] = []
    environment = environment_of(head, tmp_path / "tree", tmp_path / "env", said.append)
    assert environment.python != env.python
    return ask_interpreter(environment.python, tmp_path).versions, environment.moved, said


def test_changed_ranges_move_only_what_they_name(repo, bare_env, tmp_path: Path, wheels) -> None:
    """The base's older range is met, with what that needs; all else has the head's version."""
    base = repo.commit({"pyproject.toml": pyproject("alpha<2", "beta"), "shop.py": ""})
    repo.commit({"pyproject.toml": pyproject("alpha", "beta")})
    bare_env.install("alpha==2.0", "beta==1.0")
    bare_env.install("--no-deps", "-e", str(repo.folder))
    versions, moved, _ = built(repo, base, bare_env, tmp_path)
    assert versions == {"alpha": "1.0", "beta": "1.0", "gamma": "1.0", "shop": "1"}
    assert moved == ("alpha 1.0 (head 2.0)", "gamma 1.0 (head none)")


def test_a_changed_lock_gives_the_bases_versions(repo, bare_env, tmp_path: Path, wheels) -> None:
    """What the two locks hold differently has the base's version, with what that version needs."""
    lock = '[[package]]\nname = "{}"\nversion = "{}"\n'
    old = lock.format("alpha", "1.0") + lock.format("beta", "2.0") + lock.format("gamma", "1.0")
    new = lock.format("alpha", "2.0") + lock.format("beta", "2.0")
    base = repo.commit({"pyproject.toml": pyproject("alpha"), "shop.py": "", "uv.lock": old})
    repo.commit({"uv.lock": new})
    bare_env.install("alpha==2.0", "beta==1.0")  # beta is not as locked, and that is no change
    bare_env.install("--no-deps", "-e", str(repo.folder))
    versions, _, said = built(repo, base, bare_env, tmp_path)
    assert versions == {"alpha": "1.0", "beta": "1.0", "gamma": "1.0", "shop": "1"}
    assert any("uv.lock differs" in line for line in said)


def test_both_sides_run_the_heads_pytest(repo, bare_env, tmp_path: Path, wheels) -> None:
    """An older pytest or plugin that the base pins does not come: the head's benchmarks run in the head's."""
    for version in ("1.0", "2.0"):
        wheel(wheels, "pytest", version)
        wheel(wheels, "pytest_more", version)
    more = '[project.optional-dependencies]\ntest = ["pytest<2", "alpha"]\n'
    old = "pytest==1.0\npytest-more==1.0\nbeta==1.0\n"
    base = repo.commit(
        {"pyproject.toml": pyproject(more=more), "shop.py": "", "requirements.txt": old}
    )
    repo.commit({"pyproject.toml": pyproject(), "requirements.txt": old.replace("1.0", "2.0")})
    bare_env.install("alpha==2.0", "beta==2.0", "pytest==2.0", "pytest-more==2.0")
    bare_env.install("--no-deps", "-e", str(repo.folder))
    versions, moved, _ = built(repo, base, bare_env, tmp_path)
    assert (versions["pytest"], versions["pytest-more"], versions["beta"]) == ("2.0", "2.0", "1.0")
    assert moved == ("beta 1.0 (head 2.0)",)


@pytest.mark.parametrize("more", ["", "docs==1.0\nlint==1.0\n"], ids=["installed", "elsewhere"])
def test_files_that_pin_differently(repo, bare_env, tmp_path: Path, wheels, more: str) -> None:
    """What two requirements files pin differently cannot both hold: it has the head's version."""
    one, other = "alpha=={0}\nbeta=={0}\n", "beta=={0}\n" + more
    base = repo.commit(
        {"requirements-a.txt": one.format("1.0"), "requirements-b.txt": other.format("2.0")}
    )
    repo.commit(
        {"requirements-a.txt": one.format("2.0"), "requirements-b.txt": other.format("1.0")}
    )
    bare_env.install("alpha==2.0", "beta==2.0")
    versions, _, _ = built(repo, base, bare_env, tmp_path)
    assert {name: versions[name] for name in ("alpha", "beta")} == {"alpha": "1.0", "beta": "2.0"}


def test_pip_where_there_is_no_uv(
    repo, bare_env, tmp_path: Path, wheels, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without uv the standard library and pip do it, for requirements of pip's; and that is told."""
    base = repo.commit({"requirements.txt": "alpha==1.0 # old\nbeta==1.0\n"})
    repo.commit({"requirements.txt": "alpha==2.0\nbeta==1.0\n"})
    bare_env.install("alpha==2.0", "beta==1.0")
    folders = os.environ["PATH"].split(os.pathsep)
    kept = [folder for folder in folders if not (Path(folder) / "uv").exists()]
    monkeypatch.setenv("PATH", os.pathsep.join(kept))
    monkeypatch.setattr(sys, "executable", bare_env.python)
    assert find_uv(bare_env.python) == ""
    versions, moved, said = built(repo, base, bare_env, tmp_path)
    assert {name: versions[name] for name in ("alpha", "beta", "gamma")} == {
        "alpha": "1.0",
        "beta": "1.0",
        "gamma": "1.0",
    }
    assert moved[0] == "alpha 1.0 (head 2.0)"
    assert any("pip, which is slow" in line for line in said)


def test_what_cannot_be_had_is_an_error(repo, bare_env, tmp_path: Path, wheels) -> None:
    """A range that no version meets ends in an error that names the way out."""
    base = repo.commit({"pyproject.toml": pyproject("alpha<1"), "shop.py": ""})
    repo.commit({"pyproject.toml": pyproject("alpha")})
    bare_env.install("alpha==2.0")
    bare_env.install("--no-deps", "-e", str(repo.folder))
    with pytest.raises(BaseError, match=r"alpha<1(.|\n)*`setup:`"):
        built(repo, base, bare_env, tmp_path)


def test_why_an_environment_is_not_shared(repo, bare_env, tmp_path: Path) -> None:
    """Each difference that could put wrong code on the base is seen; idle ones are not."""
    files = {"pyproject.toml": pyproject(), "shop/__init__.py": "", "requirements.txt": "a"}
    base = repo.commit({**files, ".gitignore": "made*\n.venv/\n"})
    check_out(base, tmp_path / "tree")
    bare_env.install("--no-deps", "-e", str(repo.folder))

    def why(changes: dict[str, str]) -> str:
        repo.write(changes)
        repo.git("add", "-A")
        reason = why_not_shared(
            look_at(repo.folder, repo.folder, bare_env.python), tmp_path / "tree"
        )
        repo.git("reset", "-q", "--hard")
        repo.git("clean", "-fdxq")
        return reason

    idle = pyproject(more='keywords = ["a"]\n[tool.ruff]\nline-length = 100\n')
    assert why({}) == ""
    assert why({"pyproject.toml": idle, "shop/new.py": "", ".venv/x.py": "", "made": ""}) == ""
    scripts = '[project.scripts]\nshop = "shop:main"\n'
    assert "build tables" in why({"pyproject.toml": pyproject(more=scripts)})
    assert "build tables" in why({"pyproject.toml": pyproject("attrs")})
    assert "build tables" in why({"setup.py": "setup()"})
    assert "requirements.txt differs" in why({"requirements.txt": "b"})
    assert "uv.lock differs" in why({"uv.lock": ""})
    assert "shop/made.py was made" in why({"shop/made.py": ""})
    assert "made_fast.so was made" in why({"made_fast.so": ""})
    assert "made_pkg/ was made" in why({"made_pkg/__init__.py": ""})
    bare_env.install("--no-deps", str(repo.folder))
    assert "installed as a copy" in why({})


def test_a_package_under_another_name_is_not_shared(repo, bare_env, tmp_path: Path) -> None:
    """A finder that gives a folder another name would load the head's code, so it is not shared."""
    backend = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
    names = '[tool.setuptools]\npackages = ["shop"]\npackage-dir = {shop = "code"}\n'
    text = backend + '[project]\nname = "shop"\nversion = "1"\n' + names
    base = repo.commit({"pyproject.toml": text, "code/__init__.py": ""})
    check_out(base, tmp_path / "tree")
    bare_env.install("--no-deps", "-e", str(repo.folder))
    head = look_at(repo.folder, repo.folder, bare_env.python)
    assert "found by code of its own" in why_not_shared(head, tmp_path / "tree")


def test_an_interpreter_that_does_not_run(tmp_path: Path) -> None:
    """A wrong path ends in an error that names it; what was written down of one that is gone is refused."""
    with pytest.raises(BaseError, match="/nowhere/python"):
        ask_interpreter("/nowhere/python", tmp_path)
    for info in (None, [], {"python": "/nowhere/python", "path": [], "moved": []}, {"python": 1}):
        assert from_json(info) is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("uv.lock", '[[package]]\nname = "A_b"\nversion = "1.5"\n'),
        ("poetry.lock", '[[package]]\nname = "a.b"\nversion = "1.5"\n'),
        ("pylock.toml", '[[packages]]\nname = "a-b"\nversion = "1.5"\n'),
        ("Pipfile.lock", '{"default": {"a-b": {"version": "==1.5"}}, "develop": {}}'),
        (
            "requirements.txt",
            "-r x.txt\nA.B[c]==1.5 ; python_version > '3' \\\n  --hash=sha256:1\n# d==1\n",
        ),
    ],
)
def test_pins(name: str, text: str) -> None:
    """Each lock format gives its versions under the normal name; broken ones give none."""
    assert project.LOCKS.fullmatch(name)
    assert project.pins(PurePosixPath(name), text.encode(), {}) == {"a-b": "1.5"}
    assert project.pins(PurePosixPath(name), b"\xff{{{ not this", {}) == {}


def test_a_lock_with_two_versions_of_one_name() -> None:
    """Of several versions for several platforms the head's is the one that is meant."""
    text = "".join(f'[[package]]\nname = "a"\nversion = "{one}"\n' for one in ("1", "2")).encode()
    assert project.pins(PurePosixPath("uv.lock"), text, {"a": "2"}) == {"a": "2"}
    assert project.pins(PurePosixPath("uv.lock"), text, {"a": "3"}) == {}


def test_requirements_of_metadata() -> None:
    """An extra's mark comes off, other marks stay."""
    marked = 'a<2; python_version < "3.12" and extra == "test"'
    assert project.without_extra(marked) == (
        'a<2; python_version < "3.12" and python_version >= "0"',
        True,
    )
    assert project.without_extra("a>1") == ("a>1", False)
    assert project.name_of("Zope.Interface [x] >= 1") == "zope-interface"


@pytest.mark.parametrize(
    ("direct", "line"),
    [
        ({}, "A==1"),
        ({"url": "https://x.org/a.whl", "archive_info": {}}, "A @ https://x.org/a.whl"),
        ({"url": "file:///tmp/a%20b", "dir_info": {"editable": True}}, "-e file:///tmp/a%20b"),
        ({"url": "file:///tmp/a", "dir_info": {}}, "A @ file:///tmp/a"),
        (
            {
                "url": "https://x.org/a.git",
                "vcs_info": {"vcs": "git", "commit_id": "c0ffee"},
                "subdirectory": "lib",
            },
            "A @ git+https://x.org/a.git@c0ffee#subdirectory=lib",
        ),
    ],
)
def test_the_line_that_installs_the_same_again(direct: dict, line: str) -> None:
    """Versions, archives, folders and commits come back as they were installed."""
    one = Distribution(name="A", version="1", direct=direct, place="", lines=(), requires=())
    assert one.requirement == line
