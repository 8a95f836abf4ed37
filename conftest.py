"""pytest finds the plugin here, and so does `pytest-benchmark compare`; neither imports a framework."""

pytest_plugins = ("bakeoff.pytest_plugin",)
