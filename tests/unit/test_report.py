"""Is the report one self-contained file that shows what the run contains, also if the run contains malicious text?"""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bakeoff.__main__ import main
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.trial import Status, Trial
from bakeoff.report import charts
from bakeoff.views.matrix import Matrix
from tests.support.builders import ENVIRONMENT, HOSTILE, broken, cell, matrix, save
from tests.support.effort import cases

pytest.importorskip("altair", reason="needs the extra `report`: pip install '.[report]'")
pytest.importorskip("vl_convert", reason="needs the extra `report`: pip install '.[report]'")


@pytest.fixture
def report(tmp_path: Path, kept: Path):
    def make(*arguments: str) -> str:
        out = tmp_path / "report.html"
        code = main(
            [
                "report",
                *arguments,
                "-o",
                str(out),
                "--benchmark-storage",
                str(tmp_path / "saved"),
                "--bakeoff-storage",
                str(kept),
            ]
        )
        assert code == 0
        return out.read_text()

    return make


def embedded(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found is not None
    data: dict[str, Any] = json.loads(found.group(1))
    return data


def test_the_page_shows_what_the_run_contains(report, tmp_path: Path) -> None:
    trials = matrix()
    save(tmp_path, 1, trials)
    page = report()
    data = embedded(page)
    results = Matrix.of(trials).results
    assert [c["cell"] for c in data["cells"]] == [str(c) for c in results]
    for reported, result in zip(data["cells"], results.values(), strict=True):
        assert reported["status"] == result.status
        if result.status is Status.OK:
            assert reported["step_s"] == pytest.approx(result.step_s, rel=1e-4)
            assert reported["metrics"]["throughput"] == pytest.approx(result.throughput, rel=1e-4)
            assert reported["compile_s"] == pytest.approx(result.compile_s, rel=1e-4)
    before_scripts = page.partition("<script")[0]
    (ratio,) = [c["over_eager"] for c in data["cells"] if c["cell"] == "m0-tf_function-inference"]
    assert ratio == pytest.approx(2, rel=0.01)
    assert f">×{ratio:.2f} ±" in before_scripts  # where no script runs
    assert re.search(r'class="winners">torch_<wbr>inductor</td>', before_scripts)
    assert "unsupported: tracing stops at models/branchy.py:75" in page
    assert "pytest experiments --benchmark-autosave" in page
    assert "http://" not in re.sub(r"http://www\.w3\.org\S*", "", page.split("<script", maxsplit=1)[0])
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?:https?:)?//""", page.split("<script>")[0])


def test_source_lines_stand_beside_a_break(report, tmp_path: Path) -> None:
    save(tmp_path, 1, matrix())
    detail = embedded(report())["details"]["branchy-tf_function-inference"]
    lines = Path("models/branchy.py").read_text().splitlines()
    assert detail["findings"][0]["source"] == [[n, lines[n - 1]] for n in range(73, 78)]


def test_workers_are_not_ranked_and_nothing_never_pays_without_an_eager_stack(report, tmp_path: Path) -> None:
    save(tmp_path, 1, [cell("m0", "torch_ddp_2", 1e-3, workers=2), cell("m0", "torch_script", 2e-3, seed=9)])
    page = report()
    data = embedded(page)
    assert [c["workers"] for c in data["cells"]] == [2, None]
    assert [g["stack"] for g in data["ranges"]["m0 inference"]] == ["torch_script"]
    assert [c["over_eager"] for c in data["cells"]] == [None, None]


def test_a_ratio_that_decides_nothing_is_marked_where_no_script_runs(report, tmp_path: Path) -> None:
    steps = {"torch_eager": (1e-3, 1e-3), "torch_script": (0.95e-3, 1.01e-3)}
    save(tmp_path, 1, [cell("m0", stack, s, seed=i, index=i) for stack, each in steps.items() for i, s in enumerate(each)])
    page = report()
    verdict = {c["stack"]: c["over_eager_verdict"] for c in embedded(page)["cells"]}
    assert verdict == {"torch_eager": "", "torch_script": "undecided"}
    assert re.search(r">×1\.02 ±0\.0\d\?<", page)
    assert re.search(r'class="winners">torch_<wbr>script, torch_<wbr>eager</td>', page)


def test_cells_that_were_measured_alone_have_no_winner(report, tmp_path: Path) -> None:
    save(tmp_path, 1, [replace(t, group=None) for t in matrix(1)])
    page = report()
    data = embedded(page)
    assert {c["over_best"] for c in data["cells"] if c["model"] == "m0"} == {None}
    assert not any(c["fastest"] for c in data["cells"] if c["model"] == "m0")
    assert data["ranges"]["m0 inference"] == []
    assert "measured alone, by an older Bakeoff" in page


def test_trends_of_nothing_are_no_section(report, tmp_path: Path, kept: Path, capsys) -> None:
    for number in (1, 2, 3):
        save(tmp_path, number, [broken("m0", "tf_function", "no")])
    assert 'id="trends"' not in report("--all")
    where = ["--benchmark-storage", str(tmp_path / "saved"), "--bakeoff-storage", str(kept)]
    for arguments, output in ((["--all", "--cells", "x*"], "matches no cell"), (["3", "--cells", "m*"], "three runs")):
        assert main(["report", *arguments, "-o", str(tmp_path / "out.html"), *where]) == 2
        assert output in capsys.readouterr().err


def test_the_charts_are_what_vega_lite_allows() -> None:
    assert set(charts.specifications(["a", "b"], validate=True)) == set(charts.specifications(["a"]))


def test_two_runs_show_what_changed(report, tmp_path: Path) -> None:
    def trials(factor: float) -> list[Trial]:
        return [replace(cell("m0", "torch_script", factor * 1e-3, seed=i), index=i) for i in range(12)]

    save(tmp_path, 1, trials(1.0))
    save(tmp_path, 2, trials(1.5))
    page = report("1", "2")
    (change,) = [c for c in embedded(page)["changes"] if c["what"] == "m0-torch_script-inference"]
    assert change["verdict"] == "worse"
    assert change["low"] <= 1.5 <= change["high"]
    assert "1.50" in page


def test_runs_that_are_not_comparable_have_no_ratio(report, tmp_path: Path) -> None:
    save(tmp_path, 1, matrix())
    other = [replace(t, settings=replace(t.settings, size="full")) for t in matrix(factor=2.0)]
    save(tmp_path, 2, other)
    page = report("1", "2")
    assert "not comparable" in page
    assert embedded(page)["changes"] == []


def test_many_runs_have_trends_with_their_steps(report, tmp_path: Path) -> None:
    for number in range(1, 13):
        save(tmp_path, number, [cell("m0", "torch_script", 1e-3 if number < 8 else 1.3e-3, seed=number)])
    (tmp_path / "saved" / "Linux-CPython-3.11-64bit" / "0013_cut.json").write_text('{"trials": [')
    save(tmp_path, 14, [cell("m0", "torch_script", 1.3e-3, seed=14)])
    page = report("--all")
    (series,) = embedded(page)["trends"]["series"]
    assert len(series["values"]) == 13
    ((at, ratio),) = series["shifts"]
    assert embedded(page)["trends"]["runs"][at]["run"] == "0008"
    assert ratio == pytest.approx(1.3, rel=0.02)
    assert "0013_cut.json is not a complete saved run" in page


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_a_file_is_only_text(report, tmp_path: Path, text: str) -> None:
    save(tmp_path, 1, [*matrix(1, reason=text), cell("m9", "torch_script", 1e-3, environment=replace(ENVIRONMENT, cpu=text))])
    page = report()
    before, _, after = page.partition('id="data">')
    for part in (before, after.partition("</script>")[0]):
        assert "<script>window" not in part
        assert "<img" not in part
        assert "\u202e" not in part
        assert '"><b>' not in part
    assert "49" not in "".join(re.findall(r"unsupported: (\S+)", page))
    reported = [c for c in embedded(page)["cells"] if c["status"] == "unsupported"]
    assert reported[0]["reason"] == text.replace("\u202e", " ")


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (["99"], "there is no saved run 99"),
        (["--all", "1"], "leave out the names"),
        (["1", "-o", "/nowhere/at/all.html"], "-o /nowhere/at/all.html"),
    ],
)
def test_bad_input_is_reported_in_one_line(tmp_path: Path, kept: Path, capsys, arguments: list[str], output: str) -> None:
    save(tmp_path, 1, matrix(1))
    code = main(["report", *arguments, "--benchmark-storage", str(tmp_path / "saved"), "--bakeoff-storage", str(kept)])
    err = capsys.readouterr().err
    assert code == 2
    assert output in err
    assert len(err.splitlines()) == 1


def test_a_training_run_and_one_without_any_speed(report, tmp_path: Path) -> None:
    train = cell("m0", "torch_script", 1e-3)
    assert train.measurement is not None
    training_check = replace(train.measurement, losses=(2.0, None, 1.0), reference_losses=(2.0, 1.5, 1.0))
    save(tmp_path, 1, [replace(train, cell=Cell("m0", "torch_script", Mode.TRAINING), measurement=training_check)])
    data = embedded(report())
    assert data["details"]["m0-torch_script-training"]["losses"] == [2, None, 1]
    assert data["cells"][0]["flops_per_s"] == pytest.approx(6e9, rel=0.01)  # forward, and backward twice
    save(tmp_path, 2, [broken("m0", "tf_function", "no")])
    assert "Which one, for so many steps?" not in report("2")


@settings(max_examples=cases(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_file_makes_a_traceback(kept: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """One value of another kind somewhere in a run: a line, or a page that holds only numbers that are some."""
    folder = tmp_path_factory.mktemp("fuzz")
    path = save(
        folder,
        1,
        [*(cell("m0", f"torch_{name}", 1e-3, count=30) for name in ("eager", "script")), broken("m0", "tf_function", "no")],
    )
    body = json.loads(path.read_bytes())
    node: Any = body[data.draw(st.sampled_from(["trials", "summaries", "tasks"]))]
    parent: Any = body
    key: Any = None
    for _ in range(data.draw(st.integers(1, 7))):
        keys = list(node) if isinstance(node, dict) else list(range(len(node))) if isinstance(node, list) else []
        if not keys:
            break
        parent, key = node, data.draw(st.sampled_from(keys))
        node = node[key]
    if key is None:
        return
    parent[key] = data.draw(
        st.sampled_from([None, -1, 0, 1e308, 1e-308, 10**15, "x", [], {}, True, [[]], {"a": 1}, "\x00", "../x"])
    )
    path.write_text(json.dumps(body))
    out = folder / "report.html"
    code = main(["report", "-o", str(out), "--benchmark-storage", str(folder / "saved"), "--bakeoff-storage", str(kept)])
    assert code in (0, 2)
    if code == 0:
        embedded(out.read_text())
