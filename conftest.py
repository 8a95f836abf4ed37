"""pytest finds the harness here, and so does `pytest-benchmark compare`; neither imports a framework."""

pytest_plugins = ("harness.pytest_fixtures", "harness.pytest_plugin", "harness.pytest_verdicts")
