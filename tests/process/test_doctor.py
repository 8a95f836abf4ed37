"""Does `bakeoff doctor` examine the machine it runs on?"""

import json
import subprocess
import sys
import time
from typing import Any

import psutil
import pytest

from bakeoff.__main__ import main
from bakeoff.authoring.discovery import ROOT
from bakeoff.machine import host


def test_a_busy_process_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that does nothing but count, among such as do next to nothing; a busy machine's own are not looked at."""
    everybody = psutil.process_iter
    calm = [subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) for _ in range(5)]
    spinning = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    ours = [process.pid for process in (*calm, spinning)]
    try:
        time.sleep(0.5)  # until the calm ones are calm
        monkeypatch.setattr(psutil, "process_iter", lambda *a, **k: [p for p in everybody(*a, **k) if p.pid in ours])
        busiest, busy, _ = host._sampled()
    finally:
        for process in (*calm, spinning):
            process.kill()
            process.wait()
    assert busiest[0].pid == spinning.pid
    assert busy > 0.25


def test_this_machine_is_examined(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "77")
    code = main(["doctor", "--json", "--threads", "1"])
    found = json.loads(capsys.readouterr().out)
    assert code == any(finding["mark"] == "bad" for finding in found)
    abouts = [finding["about"] for finding in found]
    every = {"Python", "torch", "tensorflow", "C++ compiler", "CPUs", "load", "others", "memory", "swap", "runs", "saved runs"}
    assert every <= {*abouts}
    assert any("OMP_NUM_THREADS (1)" in finding["message"] for finding in found)


def test_no_framework_is_imported() -> None:
    ask = "import sys; from bakeoff.__main__ import main; main(['doctor']); main(['list'])"
    names = "[m for m in ('torch', 'tensorflow', 'keras', 'onnxruntime') if m in sys.modules]"
    ran = subprocess.run(
        [sys.executable, "-c", f"{ask}; print({names})"], capture_output=True, text=True, cwd=ROOT, timeout=60, check=True
    )
    assert ran.stdout.splitlines()[-1] == "[]"


def test_bad_exits_with_one(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    taken = tmp_path / "file"
    taken.write_text("")
    assert main(["doctor", "--bakeoff-storage", str(taken / "below")]) == 1
    told = capsys.readouterr().out
    assert f"bad   runs: {taken / 'below'}: {taken} is not a folder; name another folder" in told
    assert told.splitlines()[-1].endswith(" ok")
    assert main(["doctor", "--threads", "0"]) == 2
