"""What does Bakeoff add to pytest? Options, fixtures, test ids, and verdicts as test items. Only this package imports pytest.

The conftest.py of a checkout loads it. Elsewhere: pytest -p bakeoff.pytest_plugin --pyargs bakeoff.experiments
"""

pytest_plugins = ("bakeoff.pytest_plugin.fixtures", "bakeoff.pytest_plugin.plugin", "bakeoff.pytest_plugin.verdicts")
