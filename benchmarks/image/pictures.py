"""The pictures that are measured: photographs from packages, and what is drawn here. None is committed.

scikit-image's wheel has photographs without rights (astronaut, chelsea, coffee, motorcycle, retina, rocket), Debian's
packages of wallpapers have large ones under the GPL. Both are downloaded once, into .benchmarks/image.
"""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from PIL import Image, ImageDraw

FOLDER = Path(__file__).resolve().parents[2] / ".benchmarks" / "image"
_SCIKIT_IMAGE = "scikit-image==0.26.0"
_OF_SCIKIT_IMAGE = (
    "astronaut.png",
    "chelsea.png",
    "coffee.png",
    "motorcycle_left.png",
    "retina.jpg",
    "rocket.jpg",
)
_DEBIAN = ("plasma-workspace-wallpapers", "mate-backgrounds")
_OF_DEBIAN = {
    "autumn": "wallpapers/Autumn/contents/images/2560x1600.jpg",
    "cups": "wallpapers/ColorfulCups/contents/images/2560x1600.jpg",
    "evening": "wallpapers/EveningGlow/contents/images/2560x1600.jpg",
    "leaf": "wallpapers/FallenLeaf/contents/images/2560x1600.jpg",
    "stands": "wallpapers/OneStandsOut/contents/images/2560x1600.jpg",
    "path": "wallpapers/Path/contents/images/2560x1600.jpg",
    "dune": "backgrounds/mate/nature/Dune.jpg",
    "storm": "backgrounds/mate/nature/Storm.jpg",
    "rain": "backgrounds/mate/nature/RainDrops.jpg",
    "wings": "backgrounds/mate/nature/TwoWings.jpg",
}
LONGEST_PX = 1280
"""Larger ones are halved or scaled to this, so that the noise of their own JPEG is gone."""
DRAWN = frozenset({"screenshot", "line art"})


def pictures() -> dict[str, Image.Image]:
    """All of them, RGB, by name; those of Debian only where its tools are."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    found = {Path(name).stem: _opened(_scikit_image() / name) for name in _OF_SCIKIT_IMAGE}
    if shutil.which("apt-get") and shutil.which("dpkg-deb"):
        root = _debian()
        found |= {name: _opened(root / "usr" / "share" / path) for name, path in _OF_DEBIAN.items()}
    return found | {"screenshot": _screenshot(), "line art": _line_art()}


def _opened(file: Path) -> Image.Image:
    with Image.open(file) as image:
        image.load()
        rgb = image.convert("RGB")
    scale = min(LONGEST_PX / max(rgb.size), 1)
    return (
        rgb
        if scale == 1
        else rgb.resize(
            (round(rgb.width * scale), round(rgb.height * scale)), Image.Resampling.LANCZOS
        )
    )


def _scikit_image() -> Path:
    data = FOLDER / "skimage" / "data"
    if not data.is_dir():
        run = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--dest",
            str(FOLDER),
            _SCIKIT_IMAGE,
        ]
        subprocess.run(run, check=True, timeout=600)
        with zipfile.ZipFile(next(FOLDER.glob("scikit_image*.whl"))) as wheel:
            for name in _OF_SCIKIT_IMAGE:
                wheel.extract(f"skimage/data/{name}", FOLDER)
    return data


def _debian() -> Path:
    root = FOLDER / "debian"
    if not root.is_dir():
        subprocess.run(
            ["apt-get", "download", "-q", *_DEBIAN],
            cwd=FOLDER,
            check=True,
            timeout=900,
            capture_output=True,
        )
        for package in FOLDER.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", str(package), str(root)], check=True, timeout=300)
    return root


def _screenshot() -> Image.Image:
    """Flat areas, a bar and small text."""
    image = Image.new("RGB", (1200, 800), "#f7f7f9")
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, 1200, 48), fill="#20639b")
    pen.rectangle((0, 48, 220, 800), fill="#e8eaf0")
    for line in range(40):
        pen.text(
            (240, 70 + 18 * line),
            "def render(page): return template.format(**page)  # " + "words " * 14,
            fill="#202428",
        )
        pen.text((14, 70 + 18 * line), f"article-{line:03}.md", fill="#445")
    return image


def _line_art() -> Image.Image:
    """Thin curves and few colours."""
    image = Image.new("RGB", (900, 900), "white")
    pen = ImageDraw.Draw(image)
    for k in range(60):
        pen.ellipse(
            (450 - 7 * k, 450 - 6 * k, 450 + 7 * k, 450 + 6 * k),
            outline=("black", "#c03", "#06c")[k % 3],
            width=2,
        )
    return image
