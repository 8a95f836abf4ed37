"""How is a run of schema version 1 read? Its keys and words are replaced by those of version 2; its numbers stay the same."""

from collections.abc import Mapping
from typing import Any

# key or word in version 1 → in version 2
TASKS = {"diagnoses": "diagnose", "shape_series": "shapes", "exports": "export", "ceilings": "machine_peak"}
TRIAL = {"lowering": "compile_only"}
MEASUREMENT = {
    "unseen_step_s": "held_out_step_s",
    "compilations_unseen": "compilations_held_out",
    "asynchrony": "sync_check",
}
AB = {"figures": "summaries", "looks": "interim_analyses", "canary": "control", "canary_trials": "control_trials"}


def upgraded(document: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(the saved run with the keys of version 2, records of tasks by name). Parts of a wrong type stay as they are."""
    served = {str(e.get("cell")): e.get("exporter") for e in _objects(document.get("exports"))}
    found = _renamed(document, {"figures": "summaries", "toolchains": "one_time_costs"})
    found["trials"] = [_trial(t, served) if isinstance(t, dict) else t for t in document.get("trials") or ()]
    tasks = {new: [_record(r) for r in _objects(document[old])] for old, new in TASKS.items() if document.get(old)}
    return {name: value for name, value in found.items() if name not in (*TASKS, "tasks", "ab")}, tasks


def upgraded_ab(document: Mapping[str, Any]) -> dict[str, Any]:
    """The key `ab` of a saved run, with the keys of version 2."""
    found = _renamed(document, AB)
    for name in ("trials", "control_trials"):
        found[name] = [_trial(t, {}) if isinstance(t, dict) else t for t in found.get(name) or ()]
    return found


def _trial(trial: Mapping[str, Any], served: Mapping[str, Any]) -> dict[str, Any]:
    found = _record(_renamed(trial, TRIAL))
    if str(found.get("cell")) in served:
        found["exported_by"] = served[str(found.get("cell"))]
    measured = found.get("measurement")
    if isinstance(measured, dict):
        found["measurement"] = _renamed(measured, MEASUREMENT) | {"parity": _parity(measured.get("parity"))}
    made = found.get("compile_only")
    if isinstance(made, dict):
        found["compile_only"] = made | {"parity": _parity(made.get("parity"))}
    return found


def _record(record: Mapping[str, Any]) -> dict[str, Any]:
    failure = record.get("failure")
    if isinstance(failure, dict) and failure.get("error") == "MissingHalf":
        return {**record, "failure": failure | {"error": "MissingImplementation"}}
    return dict(record)


def _parity(parity: Any) -> Any:
    if not isinstance(parity, dict):
        return parity
    checks = [c | {"when": "held-out"} if c.get("when") == "unseen" else c for c in _objects(parity.get("checks"))]
    return parity | {"checks": checks}


def _renamed(document: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in document.items()}


def _objects(value: Any) -> list[dict[str, Any]]:
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []
