"""Which versions of some modules are installed for an interpreter? Found without importing them.

Standard library only: other interpreters run the text of this file, without Bakeoff.
"""

import importlib.metadata
import importlib.util
import json
import sys


def version(module: str) -> str | None:
    """The version of a top-level module; "?" if it is unknown, None if the module is not installed."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:  # a folder without __init__.py is not the package
        return None
    for name in (module, f"{module}-cpu", f"{module}-gpu"):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "?"


if __name__ == "__main__":
    print(json.dumps({name: version(name) for name in sys.argv[1:]}))
