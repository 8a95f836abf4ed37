"""Which versions of some modules does an interpreter have? Found without importing them; only the standard library here.

Another interpreter is sent the text of this file: it needs nothing of ours.
"""

import importlib.metadata
import importlib.util
import json
import sys


def version(module: str) -> str | None:
    """Of a top-level module; "?" where nobody says, None where it is not there."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:  # a folder of that name is no package
        return None
    for name in (module, f"{module}-cpu", f"{module}-gpu"):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "?"


if __name__ == "__main__":
    print(json.dumps({name: version(name) for name in sys.argv[1:]}))
