"""Does the command line help? It lists what is available and how to get the rest; its examples and completion work."""

import argparse
import io
import json
import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import argcomplete
import pytest

from bakeoff.__main__ import _parser, main
from bakeoff.authoring import discovery
from bakeoff.authoring.discovery import ROOT, StackSource
from bakeoff.cli._names import chosen
from bakeoff.machine import available
from bakeoff.machine.available import Machine
from tests.support.builders import matrix, save
from tests.support.planting import FAKES, plant

FRAMEWORKS = ("torch", "tensorflow", "keras", "onnxruntime", "ai_edge_litert")
EVERYTHING = dict.fromkeys((*FRAMEWORKS, "onnx", "onnxscript", "tf2onnx"), "1.0")


def machine(installed: dict[str, str | None] = EVERYTHING, **changes: Any) -> Machine:
    given: dict[str, Any] = {"compiler": "/usr/bin/g++", "gpu": True, "cpus": 4, "interpreters": {}}
    return Machine(installed={sys.executable: installed}, **(given | changes))


def without(name: str) -> Machine:
    return machine(EVERYTHING | {name: None})


def lacks(stack: str, there: Machine) -> str:
    (found,) = [one for one in available.availabilities(list(discovery.stacks()), there) if one.stack.name == stack]
    return "; ".join(found.missing)


def test_with_everything_there_every_stack_is_available() -> None:
    assert [str(s) for s in available.availabilities(list(discovery.stacks()), machine()) if not s.available] == []


@pytest.mark.parametrize(
    ("stack", "there", "says"),
    [
        ("tf_xla", without("tensorflow"), "tensorflow is not installed: pip install '.[tensorflow]'"),
        ("torch_inductor", machine(compiler=None), "needs a C++ compiler: apt-get install g++, or name one in CXX"),
        ("torch_eager", machine(compiler=None), ""),
        ("torch_triton", machine(gpu=False), "needs a GPU; without one: --target cuda:sm_90 compiles only"),
        (
            "torch_ddp_2",
            machine(cpus=1),
            "needs 2 CPUs, --threads of them for each worker, and there are 1: use a machine with more",
        ),
        ("torch_ddp_1", machine(cpus=1), ""),
        ("served_onnx_torch", without("onnxscript"), "onnxscript is not installed: pip install '.[deploy]'"),
        ("served_tflite", without("tensorflow"), "tensorflow is not installed: pip install '.[tensorflow]'"),
        (
            "tf_eager",
            Machine(installed={"/tf/python": {}}, compiler=None, gpu=False, cpus=1, interpreters={"tensorflow": "/tf/python"}),
            "tensorflow is not installed: /tf/python -m pip install tensorflow",
        ),
    ],
)
def test_what_is_missing_is_listed_with_how_to_install_it(stack: str, there: Machine, says: str) -> None:
    assert lacks(stack, there) == says


def test_a_compiler_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert available.compiler() is None
    assert lacks("torch_inductor", machine(compiler=None)).startswith("CXX names no-such-compiler, which does not exist")


def test_a_stack_of_the_users_own(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text('HEADER = {"framework": "no_such_framework"}\nSTACK = None\n')
    (stack,) = [s for s in discovery.stacks([tmp_path]) if s.name == "mine"]
    there = available.this_machine([stack], {})
    assert there.installed == {sys.executable: {"no_such_framework": None}}
    (found,) = available.availabilities([stack], there)
    assert found.missing == ("no_such_framework is not installed: pip install no-such-framework",)


def test_a_folder_of_that_name_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "no_such_framework").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert available.installed(sys.executable, ["no_such_framework", "numpy"])["no_such_framework"] is None


def test_list_has_a_row_per_stack(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plant(tmp_path / "stacks", "Compiler")
    assert main(["list", "--compilers-from", str(tmp_path / "stacks")]) == 0
    reported = capsys.readouterr().out
    for stack in discovery.stacks():
        assert sum(line.startswith(f"{stack.name} ") for line in reported.splitlines()) == 1
    row = next(line for line in reported.splitlines() if line.startswith("compiler "))
    assert "numpy" in row
    assert "available (numpy " in row
    assert max(map(len, reported.splitlines())) <= 100


def verbs() -> dict[str, argparse.ArgumentParser]:
    (action,) = [a for a in _parser()._actions if isinstance(a, argparse._SubParsersAction)]
    return dict(action.choices)


def examples(parser: argparse.ArgumentParser) -> Iterator[list[str]]:
    """The commands that a verb's help ends with."""
    title, *lines = (parser.epilog or "").partition("examples:\n")[2].splitlines() or [""]
    for line in (title, *lines):
        yield shlex.split(line, comments=True)


@pytest.mark.parametrize("verb", sorted(verbs()))
def test_every_verb_has_examples_that_parse(verb: str) -> None:
    found = list(examples(verbs()[verb]))
    assert 1 <= len(found) <= 3
    models, stacks = discovery.models().names, discovery.stacks().names
    for program, *words in found:
        assert (program, words[0]) == ("bakeoff", verb)
        asked = _parser().parse_args(words)
        for name in (getattr(asked, "model", None) or getattr(asked, "cell", None) or "mlp").rstrip("*-").split("-")[:1]:
            assert name in models
        if hasattr(asked, "names"):
            named = [name for name in asked.names if not name.isdigit()]  # a number is that of a saved run
            chosen(named, discovery.models(), discovery.stacks(), "mlp")
        for name in (getattr(asked, "stacks", None) or "tf_xla").split(","):
            assert name in stacks


@pytest.mark.parametrize("verb", sorted(verbs()))
def test_every_help_prints(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        main([verb, "--help"])
    assert exit.value.code == 0
    assert "examples:\n  bakeoff " in capsys.readouterr().out


def test_the_program_says_how_to_switch_completion_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    reported = capsys.readouterr().out
    assert 'eval "$(register-python-argcomplete bakeoff)"' in reported
    for words in examples(_parser()):
        _parser().parse_args(words[1:])
    assert (ROOT / "bakeoff" / "__main__.py").read_text()[:1024].count("PYTHON_ARGCOMPLETE_OK") == 1


class Finder(argcomplete.CompletionFinder):
    """argcomplete's own, which ends the test's call and not its process, and leaves pytest's files alone."""

    def _init_debug_stream(self) -> None:
        argcomplete.io.debug_stream = io.StringIO()

    def __call__(self, parser: argparse.ArgumentParser, **options: Any) -> None:
        self.answer = io.StringIO()
        super().__call__(parser, exit_method=sys.exit, output_stream=self.answer, **options)


@pytest.fixture
def completed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """What Tab offers at the end of a line: as the shell's function asks."""

    def at_the_end_of(line: str) -> list[str]:
        finder = Finder()
        monkeypatch.setattr(argcomplete, "autocomplete", finder)
        asked = {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "_ARGCOMPLETE_SUPPRESS_SPACE": "1"}
        for name, value in {**asked, "COMP_LINE": line, "COMP_POINT": str(len(line))}.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as exit:
            main([])
        assert exit.value.code == 0
        return finder.answer.getvalue().split("\n")

    return at_the_end_of


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("bakeoff ru", ["run"]),
        ("bakeoff run ml", ["mlp"]),
        ("bakeoff run mlp tf_x", ["tf_xla", "tf_xla_signature"]),
        ("bakeoff run mlp tf_xla tr", ["training"]),
        ("bakeoff explain mlp-tf_ea", ["mlp-tf_eager"]),
        ("bakeoff show 0007 mlp-tf_ea", ["mlp-tf_eager"]),
        ("bakeoff explain mlp-tf_eager-inf", ["mlp-tf_eager-inference"]),
        ("bakeoff pick bert", ["bert_encoder"]),
        ("bakeoff pick mlp --mode gr", ["gradient"]),
        ("bakeoff pick mlp --stacks tf_eager,tf_x", ["tf_eager,tf_xla", "tf_eager,tf_xla_signature"]),
        ("bakeoff run mlp --siz", ["--size"]),
        ("bakeoff run mlp --size f", ["full"]),
        ("bakeoff run mlp --dtype b", ["bfloat16"]),
        ("bakeoff run mlp --threads ", [""]),
        ("bakeoff list --interpreter tens", ["tensorflow="]),
        ("bakeoff ab main --metrics step,compile_c", ["step,compile_cold"]),
        ("bakeoff history --metric compile_w", ["compile_warm"]),
        ("bakeoff doctor --js", ["--json"]),
    ],
)
def test_tab_offers(line: str, offered: list[str], completed: Callable[[str], list[str]]) -> None:
    assert completed(line) == offered


def test_tab_offers_saved_runs_and_the_users_own(tmp_path: Path, completed: Callable[[str], list[str]]) -> None:
    machine = tmp_path / "saved" / "Linux"
    machine.mkdir(parents=True)
    for name in ("0007_abc.json", "0008_def.json"):
        (machine / name).write_text("")
    (tmp_path / "saved" / "pairs").mkdir()
    (tmp_path / "saved" / "pairs" / "0009-x.json").write_text("")
    storage = f"--benchmark-storage {tmp_path / 'saved'}"
    assert completed(f"bakeoff show {storage} 00") == ["0008", "0007", "0009-x"]
    assert completed(f"bakeoff pick mlp {storage} --run 0008") == ["0008"]
    assert completed(f"bakeoff compare {storage} 0007 0008") == ["0008"]
    plant(tmp_path / "stacks", "Compiler")
    mine = f"bakeoff pick mlp --compilers-from {tmp_path / 'stacks'} --stacks compi"
    assert completed(mine) == ["compiler"]


def test_every_option_is_offered(completed: Callable[[str], list[str]]) -> None:
    for verb, parser in verbs().items():
        there = {flag for action in parser._actions for flag in action.option_strings if flag.startswith("--")}
        assert {*completed(f"bakeoff {verb} --")} == there


def test_a_stack_source_needs_no_file_to_stand_alone(tmp_path: Path) -> None:
    gone = StackSource(name="gone", path=tmp_path / "gone.py", framework="numpy")
    assert available.availabilities([gone], machine({"numpy": "2"}))[0].available


def test_list_has_the_users_own_models(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "toy.py").write_text((FAKES / "toy.py").read_text())
    assert main(["list", f"--models-from={tmp_path}"]) == 0
    reported = capsys.readouterr().out
    assert "toy" in reported
    assert "tf_xla" in reported


def test_a_file_whose_name_cannot_be_used_is_listed_as_such(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "my-net.py").write_text("MODEL = 1\n")
    (tmp_path / f"{'n' * 81}.py").write_text("MODEL = 1\n")
    folder = ["--models-from", str(tmp_path)]
    says = [f"{tmp_path}/my-net.py: a name is made of letters, digits and underscores; rename the file"]
    says += [f"{tmp_path}/{'n' * 81}.py: a name has at most 80 characters; rename the file"]
    assert main(["list", *folder]) == 0
    listed = capsys.readouterr().out
    assert listed.count("my-net") == 1
    assert all(f"cannot be used: {line}\n" in listed for line in says)
    for name, line in zip(("my-net", "n" * 81), says, strict=True):
        assert main(["run", name, *folder]) == 2
        assert capsys.readouterr().err == f"bakeoff: {line}\n"


def test_a_folder_of_models_without_a_file_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "mlp", "--models-from", str(tmp_path)]) == 2
    assert f"--models-from: {tmp_path} has no Python file" in capsys.readouterr().err


def test_names_may_stand_on_both_sides_of_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "mlp", "--shape", "width=64", "torch_nothing"]) == 2
    assert "there is no model, stack or mode torch_nothing" in capsys.readouterr().err
    for words in (
        ["pick", "mlp", "--steps", "5", "lstm"],
        ["run", "mlp", "--nope"],
        ["run", "mlp", "--trials", "3", "--nope", "x"],
    ):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 2
        assert "unrecognized arguments: " in capsys.readouterr().err


@pytest.fixture
def saved(tmp_path: Path) -> list[str]:
    """The option that names a folder with a saved run."""
    save(tmp_path, 7, [replace(t, index=i, group=str(i)) for i in range(2) for t in matrix(1)])
    return ["--benchmark-storage", str(tmp_path / "saved")]


def test_show_prints_everything_about_a_cell(saved: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "7", "m0-torch_inductor", "branchy-tf_function-inference", *saved]) == 0
    first, second = capsys.readouterr().out.split("\n\n")
    assert first.startswith("m0-torch_inductor-inference\n  compile s cold: ")
    assert "  × its framework's eager: ×1.998 [" in first
    assert second.startswith("branchy-tf_function-inference\n")
    assert "reason: tracing stops at" in second
    assert main(["show", "m0-torch_inductor", *saved]) == 0  # of the latest run
    assert capsys.readouterr().out == f"{first}\n"


def test_show_as_json_has_ratios_and_winners(saved: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "--json", *saved]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["run"] == "0007_run.json"
    assert len(found["cells"]) == 7
    assert found["models"][0]["winners"] == ["torch_inductor"]
    assert main(["show", "m0-tf_function", "--json", *saved]) == 0
    (cell,) = json.loads(capsys.readouterr().out)["cells"]
    assert (cell["cell"], cell["ratio_eager"]["verdict"]) == ("m0-tf_function-inference", "faster")


def test_show_judges_by_the_band_that_is_given(saved: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """`run --band` is an option of reading, too."""
    verdicts = []
    for band in ("0.01", "50"):
        assert main(["show", "m0-torch_script", "m0-tf_function", "--json", "--band", band, *saved]) == 0
        cells = json.loads(capsys.readouterr().out)["cells"]
        verdicts.append([cell["ratio_eager"]["verdict"] for cell in cells if cell["ratio_eager"] is not None])
    assert verdicts[0] == ["faster", "faster"]
    assert verdicts[1] == ["same", "faster"]
    assert main(["show", "--band", "0", *saved]) == 2
    assert "--band 0: must be above 0" in capsys.readouterr().err


def test_show_names_the_cells_that_are_like_one_that_is_not_there(saved: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "m0-torch_indctor", *saved]) == 2
    error = capsys.readouterr().err
    assert "the run has no cell m0-torch_indctor; there are: m0-torch_inductor-inference" in error
    assert main(["show", "7", "8", *saved]) == 2
    assert "show prints one run: 7 and 8 are 2" in capsys.readouterr().err


def test_show_finds_a_run_whose_name_has_a_hyphen(saved: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (path,) = (tmp_path / "saved").glob("*/*.json")
    path.rename(path.with_name("0007_before-the-change.json"))
    assert main(["show", "before-the-change", *saved]) == 0
    assert "torch_inductor" in capsys.readouterr().out


def test_only_one_form_of_output_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["compare", "--json", "--csv"])
    assert ended.value.code == 2
    assert "--csv: not allowed with argument --json" in capsys.readouterr().err
