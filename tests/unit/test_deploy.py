"""Does the table of deployment formats omit the speed of a wrong one, and is a missing runtime named?"""

from dataclasses import replace

from bakeoff.analysis.ratios import Ratios
from bakeoff.records.measurement import Check, Parity
from bakeoff.records.trial import Failure, Phase, Status
from bakeoff.tasks import tables
from bakeoff.tasks.export import table as deploy_table
from bakeoff.tasks.export.record import Export
from bakeoff.worker import __main__ as worker
from tests.support.builders import SETTINGS, measurement, trial


def test_a_runtime_that_is_missing_is_named_with_what_installs_it() -> None:
    missing = ModuleNotFoundError("No module named 'onnxruntime'", name="onnxruntime")
    reported = worker.failure(missing, Phase.IMPORT, "onnxruntime", "deploy")
    assert (reported.status, reported.message) == (Status.UNAVAILABLE, "onnxruntime is not installed: pip install '.[deploy]'")


def test_the_table_shows_no_speed_of_what_is_wrong() -> None:
    wrong = Parity(tolerance=1e-5, checks=(Check(batch=0, when="timed", error=0.1),))
    trials = [
        trial(measurement(), stack="eager", framework="fake", eager=True),
        trial(measurement([0.0005] * 100), stack="served_good", diagnostics=None, exported_by="eager"),
        trial(measurement(parity=wrong), stack="served_bad", diagnostics=None, exported_by="eager"),
    ]
    exports = [
        Export(
            cell=t.cell,
            settings=SETTINGS,
            exporter="eager",
            framework="fake",
            wall_s=2.0,
            finished_at="",
            export_s=1.5,
            files={"a/b": 2**20, "c": 2**19},
        )
        for t in trials[1:]
    ]
    rows = {row.export.cell.stack: row.cells for row in deploy_table.rows(Ratios.of(trials), exports)}
    assert rows["served_good"] == ["toy", "good", "1.5 s", "1.50", "100 ms", "500 ms", "500 µs", "×2.00 ±0.05", "1e-07", "ok"]
    assert rows["served_bad"] == ["toy", "bad", "1.5 s", "1.50", "–", "–", "–", "–", "–", "wrong"]
    failed = Failure(status=Status.UNAVAILABLE, phase=Phase.START, error="Unavailable", message="no runtime")
    exports[1] = replace(exports[1], export_s=None, files={}, failure=failed)
    text = tables.terminal([*trials[:2], replace(trials[2], measurement=None, failure=failed)], (), {"export": exports}, 128)
    assert "unavailable: no runtime" in text
    assert text.count("eager") >= 2
