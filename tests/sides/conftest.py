"""Real repositories and real environments for the tests of the sides."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from budgetguard.gate.sides.history import Commit, resolve
from budgetguard.gate.sides.reaper import Reaper

UV = str(Path(sys.executable).with_name("uv"))


@dataclass(frozen=True)
class Repo:
    """A git repository to write and commit in."""

    folder: Path

    def git(self, *arguments: str) -> str:
        """What a git command prints."""
        settings = ("user.name=a", "user.email=a@b", "protocol.file.allow=always")
        options = [word for setting in settings for word in ("-c", setting)]
        done = subprocess.run(
            ["git", *options, *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def write(self, files: Mapping[str, str]) -> None:
        """Write files, with their folders."""
        for name, text in files.items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(text)

    def commit(self, files: Mapping[str, str] | None = None) -> Commit:
        """Write files, and commit all there is."""
        self.write(files or {})
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "a commit")
        return resolve(self.folder, "HEAD")

    def tree(self) -> dict[str, str]:
        """The files of the folder, as text, without git's and what Python compiles."""
        return texts(self.folder)


def texts(folder: Path) -> dict[str, str]:
    """The files below a folder, as text, without git's and what Python compiles."""
    files = (file for file in folder.rglob("*") if file.is_file() or file.is_symlink())
    named = ((file.relative_to(folder), file) for file in files)
    return {
        path.as_posix(): file.read_text(errors="replace") if file.is_file() else "link"
        for path, file in named
        if not {".git", "__pycache__"} & set(path.parts)
    }


def make_repo(folder: Path) -> Repo:
    """An empty repository."""
    folder.mkdir(parents=True)
    repo = Repo(folder)
    repo.git("init", "-q", "-b", "main")
    return repo


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """An empty repository in a folder with a space and an umlaut."""
    return make_repo(tmp_path / "größe und raum")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of base trees for this test alone."""
    monkeypatch.setenv("BUDGETGUARD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def reaper() -> Iterator[Reaper]:
    """A reaper that has cleaned up when the test ends."""
    with Reaper() as one:
        yield one


@pytest.fixture
def head_env(tmp_path: Path) -> "HeadEnv":
    """An environment for the head, with pytest and nothing else."""
    env = HeadEnv(tmp_path / "head-env")
    uv("venv", "-q", "--python", sys.executable, str(env.folder))
    env.install("pytest")
    return env


@dataclass(frozen=True)
class HeadEnv:
    """A virtual environment."""

    folder: Path

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(self.folder / "bin" / "python")

    def install(self, *arguments: str) -> None:
        """Install with uv; from its cache alone where that is enough."""
        command = ("pip", "install", "-q", "--python", self.python, *arguments)
        if subprocess.run([UV, *command, "--offline"], capture_output=True, timeout=120).returncode:
            uv(*command)


def uv(*arguments: str) -> None:
    """Run uv."""
    done = subprocess.run([UV, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
