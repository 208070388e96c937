"""A page with two pictures on each other and a slider between them; it needs nothing but itself."""

import base64
import html
from io import BytesIO

from PIL import Image

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<meta http-equiv="Content-Security-Policy"
      content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: {width}px; padding: 0 1rem }}
.both {{ position: relative; background: repeating-conic-gradient(#ccc 0 25%, #fff 0 50%) 0 / 20px 20px }}
.both img {{ display: block; width: 100% }}
.both img + img {{ position: absolute; inset: 0; clip-path: inset(0 0 0 var(--at, 50%)) }}
input {{ width: 100% }}
.names {{ display: flex; justify-content: space-between }}
</style>
<h1>Score {score:.1f}</h1>
<div class="names"><span>{first}</span><span>{second}</span></div>
<div class="both"><img alt="{first}" src="{first_data}"><img alt="{second}" src="{second_data}"></div>
<input type="range" min="0" max="100" value="50" step="0.1" aria-label="Where one picture ends"
       oninput="document.querySelector('.both').style.setProperty('--at', this.value + '%')">
<p>SSIMULACRA2: 100 is the same, 90 cannot be told apart, 70 is high and 50 medium quality.</p>
</html>
"""


def page(first: tuple[str, Image.Image], second: tuple[str, Image.Image], score: float) -> str:
    """HTML with both pictures in it, each under a line that tells of it; drag the slider to compare."""
    return _PAGE.format(
        title=html.escape(f"{first[0]} and {second[0]}"),
        width=first[1].width,
        score=score,
        first=html.escape(first[0]),
        second=html.escape(second[0]),
        first_data=_data_uri(first[1]),
        second_data=_data_uri(second[1]),
    )


def _data_uri(image: Image.Image) -> str:
    """Encoded anew, without loss: nothing of a file is passed on but its pixels."""
    stream = BytesIO()
    image.save(stream, format="WEBP", lossless=True, quality=50, method=1)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode()
