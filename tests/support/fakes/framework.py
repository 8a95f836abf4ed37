"""A framework that keeps, as a constant, a folder that it read when it was imported."""

import os

READ_WHEN_IMPORTED = os.environ["TMPDIR"]
