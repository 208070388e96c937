"""A TOML file read and written back as it was."""

from contextlib import contextmanager

import tomlkit

TEXT = """# comment
title = "TOML"

[owner]
name = "Tom"
born = 1979-05-27T07:32:00-08:00

[servers.alpha]
ip = "10.0.0.1"
ports = [ 8000, 8001, 8002 ]
limits = {cpu = 79.5, case = 72.0}

[[products]]
name = "Hammer"
sku = 738594937
"""


@contextmanager
def prepared():
    yield TEXT


def run(text):
    return len(tomlkit.dumps(tomlkit.parse(text)))
