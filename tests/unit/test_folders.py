"""Is a file under its own name always complete?"""

from pathlib import Path

import pytest

from bakeoff.system.folders import whole


def test_a_file_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "0001_run.json"
    with whole(path) as partial:
        partial.write_text("[1")
        assert not path.exists()
        partial.write_text("[1]")
    assert path.read_text() == "[1]"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_the_older_file(tmp_path: Path) -> None:
    path = tmp_path / "0001_run.json"
    path.write_text("[1]")

    def interrupted() -> None:
        with whole(path) as partial:
            partial.write_text("[2")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "[1]"
