"""What the tests of the database room share."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import budgetguard


@pytest.fixture
def in_fresh_process(tmp_path: Path) -> Callable[[str], Any]:
    """A function that runs code in a new Python and gives what it passes to `tell`."""

    def run(code: str) -> Any:
        script = tmp_path / "script.py"
        head = "import json\n\n\ndef tell(answer):\n    print(json.dumps(answer))\n\n\n"
        script.write_text(head + textwrap.dedent(code))
        env = {**os.environ, "PYTHONPATH": str(Path(budgetguard.__file__).parents[1])}
        done = subprocess.run(
            [sys.executable, script], env=env, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run
