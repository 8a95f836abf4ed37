"""bakeoff doctor: what on this machine would disturb a measurement, and how is it fixed? Prints a line per finding."""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from bakeoff.analysis.settings import defaults
from bakeoff.authoring import discovery
from bakeoff.authoring.errors import UsageError
from bakeoff.cli import _common
from bakeoff.machine import available, doctor, host
from bakeoff.machine.doctor import Finding, Mark
from bakeoff.records.trial import Settings
from bakeoff.runner import options, store
from bakeoff.runner.option_values import interpreters
from bakeoff.runner.preparation import one_time_cost_home
from bakeoff.system.environment import default_threads, enforced
from bakeoff.system.sandbox import Sandbox

DOCTOR_OPTIONS = ("--threads", "--interpreter", "--bakeoff-storage")


def add_verb(verbs: Any) -> None:
    """Add the subcommand."""
    asking = _common.add(
        verbs,
        "doctor",
        "what on this machine would disturb a measurement, and how to fix it; exit code 1 if anything is bad",
        "bakeoff doctor",
        "bakeoff doctor --threads 1 --json",
    )
    asking.add_argument("--json", action="store_true", help="print the findings as JSON")
    _common.add_storage(asking)
    options.add(asking, {flag: options.RUN[flag] for flag in DOCTOR_OPTIONS})
    asking.set_defaults(do=_doctor)


def _doctor(asked: argparse.Namespace) -> int:
    found = doctor.examine(_facts(asked))
    if asked.json:
        print(json.dumps([_record(finding) for finding in found], indent=1))
    else:
        count = Counter(finding.mark for finding in found)
        print(*found, sep="\n")
        print(f"\n{count[Mark.BAD]} bad, {count[Mark.WARN]} warnings, {count[Mark.OK]} ok")
    return 1 if any(finding.mark is Mark.BAD for finding in found) else 0


def _facts(asked: argparse.Namespace) -> host.Facts:
    stacks = [stack for stack in discovery.stacks() if stack.default]
    others = interpreters(asked.interpreter, {stack.framework for stack in stacks})
    machine = available.this_machine(stacks, others)
    versions = {stack.framework: machine.version(stack.framework, stack.framework) for stack in stacks}
    threads = default_threads() if asked.threads is None else asked.threads
    if threads < 1:  # too many threads are a finding, not an error
        raise UsageError(f"--threads {threads}: must be at least 1")
    runs = options.store(lambda name: getattr(asked, name))
    with_cost = next((s for s in stacks if s.one_time_cost and versions[s.framework] and machine.compiler), None)
    paid = None
    if with_cost is not None:
        home = one_time_cost_home(runs.machine, with_cost, others.get(with_cost.framework, sys.executable))
        paid = store.one_time_cost(home) is not None
    settings = Settings(**{**defaults(), "threads": threads})
    return host.read(
        threads,
        versions=versions,
        compiler=machine.compiler,
        folders={"runs": runs.root, "saved runs": _common.saved_in(asked)},
        children=enforced(Sandbox(Path("<sandbox>")), settings, "<mark>"),
        one_time_cost=paid,
    )


def _record(finding: Finding) -> dict[str, str]:
    return {"mark": str(finding.mark), "about": finding.about, "message": finding.message, "fix": finding.fix}
