"""Names for parts that outlive a build: `index-Bnj3e-Fu.js` is `index-*.js`, as its hash is its content."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

_HASHED = re.compile(
    r"(?P<stem>[^/]+?[-.])"
    # webpack's and parcel's hex; rollup's, vite's and esbuild's 8, which no word of a person looks like
    r"(?:(?=[a-f]*[0-9])[0-9a-f]{8,64}|(?=[a-z_-]*[0-9A-Z])[A-Za-z0-9_-]{8})"
    r"(?P<suffix>(?:\.(?:js|mjs|cjs|css|wasm|woff2?|ttf|svg|png|jpe?g|webp|avif|gif|json|map|html|gz|br|zst))+)"
)


def stable_names(names: Sequence[str]) -> Mapping[str, str]:
    """The stable name of every file that has a content hash in its name, unless two would share it."""
    stable = {name: _without_hash(name) for name in names}
    count = Counter(stable.values())
    return {name: short for name, short in stable.items() if short != name and count[short] == 1}


def _without_hash(name: str) -> str:
    folder, slash, file = name.rpartition("/")
    found = _HASHED.fullmatch(file)
    return f"{folder}{slash}{found['stem']}*{found['suffix']}" if found else name
