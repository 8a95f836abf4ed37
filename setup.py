"""Which packages does a wheel hold? Every folder with an __init__.py, so that a new one is listed nowhere.

The rest is in pyproject.toml.
In a checkout compilers/, experiments/ and models/ lie beside the package; in a wheel they lie inside it.
"""

from setuptools import find_packages, setup

BESIDE = ("compilers", "experiments", "models")
inside = {f"bakeoff.{name}": name.replace(".", "/") for name in find_packages(include=[f"{b}*" for b in BESIDE])}

setup(packages=[*find_packages(include=["bakeoff*"]), *inside], package_dir=inside)
