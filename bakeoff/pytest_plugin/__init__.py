"""The pytest plugin: options, fixtures, test ids, verdicts as items. The only room that imports pytest."""
