"""Is each status known to everything that asks a cell's status?"""

import re

import pytest

from bakeoff.authoring import errors
from bakeoff.authoring.discovery import PACKAGE
from bakeoff.records.trial import Status


@pytest.mark.parametrize("status", list(Status))
def test_every_status_has_an_exception(status: Status) -> None:
    found = errors.of_status(status)
    assert issubclass(found, errors.CellFailed)
    assert (found is errors.CellFailed) == (status.succeeded or status is Status.UNAVAILABLE)


def test_a_status_without_an_exception_of_its_own_still_fails_the_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(errors.BY_STATUS, Status.CRASH)
    assert errors.of_status(Status.CRASH) is errors.CellFailed


def test_sets_of_statuses_are_properties_of_status() -> None:
    """A further status is then added in one place."""
    written = re.compile(r"Status\.OK, Status\.(COMPILED|UNSTEADY)|Status\.(COMPILED|UNSTEADY), Status\.OK")
    found = [path.name for path in PACKAGE.rglob("*.py") if written.search(path.read_text())]
    assert found == ["trial.py"]
    assert [status for status in Status if status.succeeded] == [Status.OK, Status.COMPILED]
    assert [status for status in Status if status.was_timed] == [Status.OK, Status.UNSTEADY]
