"""Does the export to TensorBoard work without importing a framework?"""

import subprocess
import sys
from pathlib import Path

import pytest

from bakeoff.authoring.discovery import ROOT
from bakeoff.report import event_files
from bakeoff.runner.launch import Launcher
from tests.support.needs import FRAMEWORKS
from tests.support.summaries import save
from tests.support.tensorboard import export, good


def test_the_parent_imports_no_framework_and_starts_no_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, 1, [], trials=good())
    call = ["export", "--tensorboard", str(tmp_path / "board"), "--benchmark-storage", str(tmp_path / "saved")]
    ask = (
        f"from bakeoff.__main__ import main; import sys; assert main({call!r}) == 0; "
        f"print([m for m in {(*FRAMEWORKS, *event_files.UNWANTED)} if m in sys.modules])"
    )
    reported = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, cwd=ROOT, timeout=120, check=True)
    assert reported.stdout.splitlines()[-1] == "[]"
    monkeypatch.setattr(Launcher, "run", lambda *_, **__: pytest.fail("a child was started"))
    assert export(tmp_path, tmp_path / "board") == 0
