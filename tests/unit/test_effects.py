"""Are side effects found that happen only while a program is traced?"""

from pathlib import Path

from bakeoff.authoring.discovery import load
from bakeoff.records.diagnostics import merged
from bakeoff.tasks.diagnose import effects


def test_what_happens_while_tracing_only(tmp_path: Path) -> None:
    path = tmp_path / "model.py"
    path.write_text(
        "import logging\nSTEPS = 0\nclass Net:\n    def __init__(self):\n        self.calls = 0\n        self.log = []\n"
        "    def __call__(self, x):\n        global STEPS\n        STEPS += 1\n        self.calls += 1\n"
        "        self.log.append(x)\n        print('step')\n        logging.warning('step')\n        return x\n"
    )
    module = load(path, "Net")()
    found = effects.lost(module, lambda batch: batch, 1, path, module)
    assert [(b.where.rpartition(":")[2], b.reason.split()[0]) for b in merged(found)] == [
        ("9", "STEPS"),
        ("10", "self.calls"),
        ("11", "self.log"),
        ("12", "print"),
        ("13", "logging"),
    ]
    assert effects.lost(module, module, 1, path, module) == ()  # what happens on every call is no break


def test_effects_on_parts_of_a_module_and_on_items(tmp_path: Path) -> None:
    """One print of several parts is one effect; a change of a submodule is found where it is made."""
    path = tmp_path / "model.py"
    path.write_text(
        "class Inner:\n    def __init__(self):\n        self.seen = {'n': 0}\n        self.calls = 0\n"
        "    def __call__(self, x):\n        self.seen['n'] += 1\n        return x\n"
        "class Net:\n    def __init__(self):\n        self.inner = Inner()\n"
        "    def modules(self):\n        return [self, self.inner]\n"
        "    def __call__(self, x):\n        self.inner.calls += 1\n        for _ in range(2):\n"
        "            print('one', 2)\n        return self.inner(x)\n"
    )
    module = load(path, "Net")()
    found = merged(effects.lost(module, lambda batch: batch, 1, path, module))
    assert [(b.where.rpartition(":")[2], b.reason.split()[0], b.count) for b in found] == [
        ("6", "self.seen", 1),
        ("14", "self.calls", 1),
        ("16", "print", 2),
    ]
