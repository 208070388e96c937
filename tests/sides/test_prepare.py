"""The base as a side: whatever the layout, the base's code runs with the head's benchmark."""

import errno
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from budgetguard.gate.side import Side
from budgetguard.gate.sides.git import BaseError
from budgetguard.gate.sides.prepare import prepare
from budgetguard.gate.sides.reaper import Reaper

_spec = importlib.util.spec_from_file_location("sides", Path(__file__).with_name("conftest.py"))
sides = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sides)

SETUPTOOLS = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
FLIT = '[build-system]\nrequires = ["flit_core"]\nbuild-backend = "flit_core.buildapi"\n'
PROJECT = FLIT + '[project]\nname = "shop"\nversion = "1"\ndescription = "x"\n'
# the head's benchmark: it fails where anything but the wanted side's code is loaded
TEST = """
import json, os, shop.core
def test_speed():
    from pathlib import Path
    told = {"value": shop.core.VALUE, "file": shop.core.__file__, "test": "head"}
    Path(os.environ["TOLD"]).write_text(json.dumps(told))
"""
# what a worker does: the side's path first, then pytest on the item
RUN = "import sys; sys.path[:0] = sys.argv[1:-1]; import pytest; sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', sys.argv[-1]]))"


def run(side: Side, item: str, tmp_path: Path) -> dict[str, str]:
    """What the benchmark saw, run on a side as a worker runs it."""
    told = tmp_path / "told.json"
    told.unlink(missing_ok=True)
    done = subprocess.run(
        [side.python, "-P", "-c", RUN, *side.path, item],
        cwd=side.folder,
        env={**os.environ, "TOLD": str(told), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(told.read_text())


def base_of(repo, head_env, tmp_path: Path, reaper: Reaper, item: str, **options):
    """What the benchmark sees on the base, the side's python, and what was told on the way."""
    base = sides.resolve(repo.folder, "base")
    said: list[str] = []
    with prepare(
        repo.folder,
        base,
        [repo.folder / item],
        reaper=reaper,
        head_python=head_env.python,
        watch=said.append,
        **options,
    ) as side:
        seen = run(side, item, tmp_path)
        assert Path(seen["file"]).is_relative_to(side.root) or "site-packages" in seen["file"]
        assert not Path(seen["file"]).is_relative_to(repo.folder)
    return seen, side, said


def two_commits(repo, files: dict[str, str], code: str, test: str = "tests/test_a.py") -> None:
    """A base whose code says "base" and that has no benchmark, and a head with one."""
    files = {name: textwrap.dedent(text) for name, text in files.items()}
    repo.commit({**files, code: files.get(code, "") + 'VALUE = "base"\n'})
    repo.git("tag", "base")
    repo.commit({code: files.get(code, "") + 'VALUE = "head"\n', test: TEST})


LAYOUTS = {
    "src": ({"pyproject.toml": PROJECT, "src/shop/__init__.py": ""}, "src/shop/core.py"),
    "flat": (
        {
            "pyproject.toml": SETUPTOOLS + '[project]\nname = "shop"\nversion = "1"\n',
            "setup.cfg": "[options]\npackages = shop\n",
            "shop/__init__.py": "",
            "tests/__init__.py": "",
        },
        "shop/core.py",
    ),
    "namespace": (
        {
            "pyproject.toml": PROJECT + '[tool.flit.module]\nname = "shop.core"\n',
            "conftest.py": "import shop.core\n",  # imports the project before any test
        },
        "src/shop/core.py",
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_plain_editables_share_the_heads_environment(
    repo, head_env, tmp_path: Path, reaper: Reaper, layout: str
) -> None:
    """Pure Python in plain folders needs no environment of its own, and runs the base's code."""
    two_commits(repo, *LAYOUTS[layout])
    head_env.install("--no-deps", "-e", str(repo.folder))
    seen, side, _ = base_of(repo, head_env, tmp_path, reaper, "tests/test_a.py")
    assert (seen["value"], seen["test"]) == ("base", "head")
    assert side.python == head_env.python
    assert side.path


def test_a_project_that_is_not_installed(repo, head_env, tmp_path: Path, reaper: Reaper) -> None:
    """What pytest finds by `pythonpath` it finds on the base, too."""
    ini = '[tool.pytest.ini_options]\npythonpath = ["lib"]\n'
    two_commits(repo, {"pyproject.toml": ini, "lib/shop/__init__.py": ""}, "lib/shop/core.py")
    seen, side, _ = base_of(repo, head_env, tmp_path, reaper, "tests/test_a.py")
    assert seen["value"] == "base"
    assert (side.python, side.path) == (head_env.python, ())


def test_a_copy_is_built_anew(repo, head_env, tmp_path: Path, reaper: Reaper) -> None:
    """A head that is installed as a copy has a base in an environment of its own, then kept."""
    two_commits(repo, *LAYOUTS["src"])
    head_env.install("--no-deps", str(repo.folder))
    shutil.rmtree(repo.folder / "build", ignore_errors=True)
    item = "tests/test_a.py"
    seen, side, said = base_of(repo, head_env, tmp_path, reaper, item)
    assert seen["value"] == "base"
    assert "site-packages" in seen["file"]
    assert side.python != head_env.python
    assert side.path == ()
    assert any("installed as a copy" in line for line in said)
    again, kept, said = base_of(repo, head_env, tmp_path, reaper, item)
    assert (again["value"], kept, said) == ("base", side, [])  # nothing was made a second time


EXTENSION = {
    "pyproject.toml": SETUPTOOLS,
    "setup.py": """
        from setuptools import Extension, setup
        setup(name="shop", version="1", packages=["shop"], ext_modules=[Extension("shop._fast", ["fast.c"])],
              entry_points={"console_scripts": ["shop = shop.core:main"]})
        """,
    "fast.c": """
        #include <Python.h>
        static struct PyModuleDef m = {PyModuleDef_HEAD_INIT, "_fast", 0, -1, 0};
        PyMODINIT_FUNC PyInit__fast(void) { return PyModule_Create(&m); }
        """,
    "shop/__init__.py": "",
    "shop/core.py": """
        import shutil
        def main(): print("console", VALUE)
        try:
            from shop import _fast
            HOW = " in C"
        except ImportError:
            HOW = ""
        """,
    ".gitignore": "*.so\n*.egg-info\nbuild/\n",
}


def test_an_extension_and_a_console_script(repo, head_env, tmp_path: Path, reaper: Reaper) -> None:
    """A base with C code is compiled, never replaced by its pure fallback; its script is its own."""
    test = TEST.replace("shop.core.VALUE", "shop.core.VALUE + shop.core.HOW")
    two_commits(repo, EXTENSION, "shop/core.py")
    repo.commit({"tests/test_a.py": test})
    head_env.install("--no-deps", "-e", str(repo.folder))
    assert list((repo.folder / "shop").glob("*.so"))
    seen, side, _ = base_of(repo, head_env, tmp_path, reaper, "tests/test_a.py")
    assert seen["value"] == "base in C"
    script = Path(side.python).with_name("shop")
    said = subprocess.run([script], capture_output=True, text=True, timeout=30, cwd=tmp_path)
    assert said.stdout == "console base\n"


def test_a_generated_file(repo, head_env, tmp_path: Path, reaper: Reaper) -> None:
    """A file that a build makes and git ignores is made for the base, from the base's own tags."""
    files = {
        "pyproject.toml": SETUPTOOLS + '[project]\nname = "shop"\ndynamic = ["version"]\n',
        "setup.py": """
            import subprocess
            from setuptools import setup
            tag = subprocess.run(["git", "describe", "--tags"], capture_output=True, text=True, check=True)
            open("src/shop/_version.py", "w").write(f"VERSION = {tag.stdout.strip()!r}")
            setup(version="1")
            """,
        "src/shop/__init__.py": "",
        "src/shop/core.py": "from shop._version import VERSION\n",
        ".gitignore": "_version.py\n*.egg-info\nbuild/\n",
    }
    two_commits(repo, files, "src/shop/core.py")
    repo.commit({"tests/test_a.py": TEST.replace("shop.core.VALUE", "shop.core.VERSION")})
    head_env.install("--no-deps", "-e", str(repo.folder))
    seen, _, said = base_of(repo, head_env, tmp_path, reaper, "tests/test_a.py")
    assert seen["value"] == "base"  # the name of the tag
    assert any("_version.py was made by a build" in line for line in said)


def test_a_base_that_does_not_build(
    repo, head_env, tmp_path: Path, reaper: Reaper, cache: Path
) -> None:
    """A broken build is an error with its last words, and leaves no half-made folder in use."""
    two_commits(repo, {**EXTENSION, "fast.c": "this is no C;"}, "shop/core.py")
    repo.commit({"fast.c": textwrap.dedent(EXTENSION["fast.c"])})
    head_env.install("--no-deps", "-e", str(repo.folder))
    with pytest.raises(BaseError, match="the base does not build") as caught:
        base_of(repo, head_env, tmp_path, reaper, "tests/test_a.py")
    assert not list(cache.rglob("ready"))
    assert "setup:" in str(caught.value)
    assert "fast.c" in str(caught.value) or "gcc" in str(caught.value)


def test_setup_commands(repo, head_env, tmp_path: Path, reaper: Reaper) -> None:
    """`setup:` runs in the base's tree, and the environment that it makes is used."""
    two_commits(repo, *LAYOUTS["src"])
    make = "import venv, pathlib, sys; venv.create('.venv', symlinks=True); pathlib.Path('made').touch(); p = next(pathlib.Path('.venv').glob('lib/*/site-packages')); (p / 'x.pth').write_text(sys.argv[1] + chr(10) + str(pathlib.Path('src').absolute()))"
    site = str(next(head_env.folder.glob("lib/*/site-packages")))
    setup = [[sys.executable, "-c", make, site]]
    seen, side, _ = base_of(repo, head_env, tmp_path, reaper, "tests/test_a.py", setup=setup)
    assert seen["value"] == "base"
    assert side.python == str(side.root / ".venv" / "bin" / "python")
    fails = [[sys.executable, "-c", "raise SystemExit('no such luck')"]]
    with pytest.raises(BaseError, match=r"`setup:` failed.*no such luck"):
        base_of(repo, head_env, tmp_path, reaper, "tests/test_a.py", setup=fails)


def test_setup_without_an_environment(repo, head_env, tmp_path: Path, reaper: Reaper) -> None:
    """A copy of the project in the head's environment is what both sides would run: an error."""
    two_commits(repo, *LAYOUTS["src"])
    head_env.install("--no-deps", str(repo.folder))
    item = "tests/test_a.py"
    with pytest.raises(BaseError, match=r"made no environment.*shop is installed as a copy"):
        base_of(repo, head_env, tmp_path, reaper, item, setup=[["true"]])
    again = [sides.UV, "pip", "install", "-q", "--offline", "--no-deps", "--python"]
    changes = [[*again, head_env.python, "."]]
    with pytest.raises(BaseError, match="changed the head's own environment"):
        base_of(repo, head_env, tmp_path, reaper, item, setup=changes)


def test_a_wheel_from_elsewhere(repo, head_env, tmp_path: Path, reaper: Reaper) -> None:
    """A wheel of the project that lies outside of the repository is no dependency of the base."""
    two_commits(repo, *LAYOUTS["src"])
    sides.uv("build", "-q", "--wheel", "--offline", "-o", str(tmp_path / "dist"), str(repo.folder))
    head_env.install("--no-deps", *map(str, (tmp_path / "dist").glob("*.whl")))
    seen, side, _ = base_of(repo, head_env, tmp_path, reaper, "tests/test_a.py")
    assert seen["value"] == "base"
    assert side.python != head_env.python


def test_a_full_disk(repo, head_env, tmp_path: Path, reaper: Reaper, monkeypatch) -> None:
    """What the system refuses while the base is made is an error of the base, never a crash."""
    two_commits(repo, {"pytest.ini": "[pytest]\npythonpath = src\n"}, "src/shop/core.py")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copy", full)
    with pytest.raises(BaseError, match=r"cannot be written.*No space left.*BUDGETGUARD_CACHE"):
        base_of(repo, head_env, tmp_path, reaper, "tests/test_a.py")


def test_the_bases_own_benchmark(repo, head_env, tmp_path: Path, reaper: Reaper) -> None:
    """On request nothing of the head is laid over, also where it was before."""
    ini = "[pytest]\npythonpath = src\n"
    two_commits(repo, {"pytest.ini": ini, "src/shop/__init__.py": ""}, "src/shop/core.py")
    repo.git("checkout", "-q", "base")
    repo.commit({"tests/test_a.py": TEST.replace('"test": "head"', '"test": "base"')})
    repo.git("tag", "-f", "base")
    repo.git("checkout", "-q", "main")
    item = "tests/test_a.py"
    found = [
        base_of(repo, head_env, tmp_path, reaper, item, own_benchmarks=own)[0]["test"]
        for own in (False, True, False)
    ]
    assert found == ["head", "base", "head"]


def test_a_subfolder_and_a_dirty_head(repo, head_env, tmp_path: Path, reaper: Reaper) -> None:
    """The configuration's folder is that of the base's tree; what is not committed in the head comes
    only as a benchmark."""
    ini = "[pytest]\npythonpath = src\n"
    files = {"api/pytest.ini": ini, "api/src/shop/__init__.py": ""}
    two_commits(repo, files, "api/src/shop/core.py", "api/tests/test_a.py")
    repo.write({"api/src/shop/core.py": 'VALUE = "dirty"', "api/tests/new_helper.py": "x = 1"})
    repo.write({"api/tests/test_a.py": "from new_helper import x\n" + TEST})
    base = sides.resolve(repo.folder, "base")
    files = [repo.folder / "api/tests/test_a.py"]
    with prepare(
        repo.folder / "api", base, files, reaper=reaper, head_python=head_env.python
    ) as side:
        assert side.folder == side.root / "api"
        assert run(side, "tests/test_a.py", tmp_path)["value"] == "base"


KILLED = """
import sys
from pathlib import Path
from budgetguard.gate.sides.history import resolve
from budgetguard.gate.sides.prepare import prepare
from budgetguard.gate.sides.reaper import Reaper
root = Path(sys.argv[1])
slow = [[sys.executable, "-c", "import time; open('begun', 'w'); time.sleep(1000)"]]
with Reaper() as reaper, prepare(root, resolve(root, "base"), [], reaper=reaper, setup=slow):
    pass
"""


def test_killed_while_it_prepares(repo, tmp_path: Path, cache: Path) -> None:
    """After SIGKILL in the middle of `setup:` neither its process nor its folder is left."""
    two_commits(repo, *LAYOUTS["src"])
    maker = subprocess.Popen([sys.executable, "-c", KILLED, str(repo.folder)])
    try:
        assert wait_for(lambda: list(cache.rglob("begun")))
    finally:
        maker.kill()
        maker.wait()
    assert wait_for(lambda: not list(cache.rglob("begun")))
    assert wait_for(lambda: not list(cache.glob("*/*/tree")))


def wait_for(condition, seconds: float = 20.0) -> bool:
    """Whether it became true in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.02)
    return False
