"""The pytest plugin: options, fixtures, test ids, verdicts as items. The only room that imports pytest.

A checkout's conftest.py loads it; elsewhere: pytest -p bakeoff.pytest_plugin --pyargs bakeoff.experiments
"""

pytest_plugins = ("bakeoff.pytest_plugin.fixtures", "bakeoff.pytest_plugin.plugin", "bakeoff.pytest_plugin.verdicts")
