"""Is a stack's HEADER read without importing its file, refused in one line if it is wrong, and checked against the class?"""

import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

import bakeoff
from bakeoff.__main__ import main
from bakeoff.authoring import discovery, header, protocols
from bakeoff.authoring.discovery import load_stack
from bakeoff.authoring.errors import Unsupported, UsageError
from bakeoff.machine import available
from bakeoff.machine.available import Machine
from bakeoff.records.cell import Mode
from bakeoff.system.sandbox import Sandbox
from bakeoff.worker.job import Job
from bakeoff.worker.training import TrainingCheck
from tests.support.planting import plant

KEYS = f"the keys are: {', '.join(header.KEYS)}"
REST = "\nimport no_such_framework\nSTACK = 1\n"


def problem(folder: Path, text: str) -> str:
    """The one-line error about a file, the same in both ways of reading the stack."""
    (folder / "mine.py").write_text(text + REST)
    found = discovery.stacks([folder])
    (source,) = [s for s in found if s.name == "mine"]
    with pytest.raises(UsageError) as by_name:
        found.pick("mine")
    with pytest.raises(UsageError) as by_default:
        discovery.check(source, "STACK")
    assert str(by_name.value) == str(by_default.value)
    assert "\n" not in str(by_name.value)
    assert str(folder / "mine.py") in str(by_name.value)
    return str(by_name.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('HEADER = {"framework": "numpy", "disk_caches": True}', "HEADER['disk_caches'] is no key; did you mean 'disk_cache'?"),
        ('HEADER = {"framework": "numpy", "DISK_CACHE": True}', "HEADER['DISK_CACHE'] is no key; did you mean 'disk_cache'?"),
        ('HEADER = {"framework": "numpy", "zzz": True}', "HEADER['zzz'] is no key; the keys are"),
        ('HEADER = {"framewrok": "numpy"}', "HEADER['framewrok'] is no key; did you mean 'framework'?"),
        ('HEADER = {"framework": "numpy", "eager": "yes"}', "HEADER['eager'] must be True or False, not 'yes'"),
        ('HEADER = {"framework": "numpy", "eager": 1}', "HEADER['eager'] must be True or False, not 1"),
        ('HEADER = {"framework": 1}', "HEADER['framework'] must be a string that is not empty, not 1"),
        ('HEADER = {"framework": ""}', "HEADER['framework'] must be a string that is not empty, not ''"),
        (
            'HEADER = {"framework": "numpy", "devices": "cuda"}',
            "HEADER['devices'] must be a list of strings, such as [\"cuda\"]",
        ),
        ('HEADER = {"framework": "numpy", "devices": ["cdua"]}', "HEADER['devices'] names 'cdua'; there are: cpu, cuda"),
        ('HEADER = {"framework": "numpy", "targets": ["tpu"]}', "HEADER['targets'] names 'tpu'; there are: cuda, interpreter"),
        ('HEADER = {"framework": "numpy", "workers": 0}', "HEADER['workers'] must be a whole number above 0, not 0"),
        ('HEADER = {"framework": "numpy", "workers": True}', "HEADER['workers'] must be a whole number above 0, not True"),
        (
            'HEADER = {"framework": "numpy", "one_time_cost": True}',
            "HEADER['one_time_cost'] must be a string that is not empty",
        ),
        ('HEADER = {"framework": "numpy", "eager": True, "eager": False}', "HEADER['eager'] is given twice"),
        ("HEADER = {}", 'HEADER has no "framework", the module to import'),
        ('HEADER = {"eager": True}', 'HEADER has no "framework", the module to import'),
        ("", 'has no HEADER; add HEADER = {"framework": "MODULE"}'),
        ('import os\nHEADER = {"framework": os.name}', "line 2: HEADER['framework'] must be a literal"),
        ('NAME = "numpy"\nHEADER = dict(framework=NAME)', "line 2: HEADER must be a dict literal"),
        ('MORE = {}\nHEADER = {"framework": "numpy", **MORE}', "each key of HEADER must be a string literal"),
        (
            'HEADER = {"framework": "numpy"}\nDISK_CACHE = True',
            'DISK_CACHE is ignored beside HEADER; write HEADER = {"disk_cache": ',
        ),
    ],
)
def test_a_wrong_header_is_reported_in_one_line_with_file_and_keys(tmp_path: Path, text: str, says: str) -> None:
    output = problem(tmp_path, text)
    assert says in output
    assert KEYS in output


@pytest.mark.parametrize("more", ['HEADER["nonsense"] = 3', 'HEADER |= {"disk_cach": True}', "HEADER.update(disk_cache=True)"])
def test_a_header_that_is_changed_later_is_reported(tmp_path: Path, more: str) -> None:
    assert "line 2: HEADER is one literal" in problem(tmp_path, f'HEADER = {{"framework": "numpy"}}\n{more}')


def test_constants_of_the_old_form_are_reported_with_the_new_header(tmp_path: Path) -> None:
    old = 'FRAMEWORK = "torch"\nDISK_CACHE = True\nTOOLCHAIN = "inductor"\nDEVICES = "cpu cuda"\nRECIPE = """\na\n"""\n'
    written = (
        'write HEADER = {"framework": "torch", "disk_cache": True, "one_time_cost": "inductor", "devices": ["cpu", "cuda"], '
        '"recipe": ...}'
    )
    output = problem(tmp_path, old)
    assert "FRAMEWORK, DISK_CACHE, TOOLCHAIN, DEVICES, RECIPE are keys of one HEADER now" in output
    assert written in output
    problem(tmp_path, written.removeprefix("write ").replace('"recipe": ...', '"recipe": 1'))  # it is one, but for its recipe
    assert KEYS in output


def test_a_right_header_is_read_without_importing_the_file(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        'HEADER = {"framework": "numpy", "devices": ("cpu",), "workers": 3, "recipe": None}' + REST
    )
    mine = discovery.stacks([tmp_path])["mine"]
    assert (mine.framework, mine.devices, mine.workers, mine.recipe) == ("numpy", ("cpu",), 3, None)
    assert (mine.eager, mine.default, mine.disk_cache, mine.targets, mine.problem) == (False, True, False, (), "")


def test_a_broken_file_that_is_not_selected_has_no_effect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text('HEADER = {"framework": "numpy", "default": False, "eagre": True}' + REST)
    (tmp_path / "other.py").write_text("def broken(:")
    found = discovery.stacks([tmp_path])
    assert found["torch_eager"].name == "torch_eager"
    assert [s.default for s in found if s.problem] == [False, True]  # in the matrix by default: then it is asked for
    monkeypatch.setattr(
        available,
        "this_machine",
        lambda stacks, interpreters: Machine(installed={sys.executable: {}}, compiler=None, gpu=False, cpus=1, interpreters={}),
    )
    assert main(["list", "--compilers-from", str(tmp_path)]) == 0
    assert "no key; did you mean 'eager'?" in " ".join(capsys.readouterr().out.split())


def test_a_stack_has_five_abstract_methods() -> None:
    assert bakeoff.Stack.__abstractmethods__ == {"build", "to_device", "compile", "synchronize", "fetch"}


def test_no_method_of_the_base_is_one_of_a_protocol() -> None:
    found = [
        value
        for value in vars(protocols).values()
        if getattr(value, "_is_protocol", False) and value.__module__ == protocols.__name__
    ]
    assert len(found) == 7
    for protocol in found:
        assert not hasattr(bakeoff.Stack, protocols.missing(object(), protocol)[0])


@pytest.mark.parametrize("source", list(discovery.stacks()), ids=lambda s: s.name)
def test_headers_of_all_built_in_stacks_are_right(source: discovery.StackSource) -> None:
    discovery.check(source, "STACK")


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"diagnoses": True}, "Compiler is not Diagnosable: it has no diagnose, enable_collectors, locate_refusal, "),
        (
            {"one_time_cost": "x"},
            "HEADER has 'one_time_cost': 'x', and Compiler is not PaysOneTimeCost: it has no pay_one_time_cost",
        ),
        ({"targets": ["cuda"]}, "Compiler is not CrossCompiles: it has no target_code"),
        ({"exported_by": "eager"}, "Compiler is not Exportable: it has no export, exported_inputs, "),
        ({"workers": 2}, "HEADER has 'workers': 2, and STACK.workers is None"),
    ],
)
def test_a_header_that_the_class_contradicts_is_one_line_of_the_child(
    tmp_path: Path, keys: dict[str, object], says: str
) -> None:
    path = plant(tmp_path, "Compiler", **keys)
    with pytest.raises(UsageError) as error:
        load_stack(path)
    assert says in str(error.value)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


def test_a_file_without_a_stack_is_reported_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text('HEADER = {"framework": "numpy"}\nSTACK = 1\n')
    with pytest.raises(UsageError, match=r"STACK must be an instance of bakeoff\.Stack, but is a int"):
        load_stack(tmp_path / "mine.py")


def job(path: Path, folder: Path) -> Job:
    """As far as a child reads it before it builds."""
    settings = SimpleNamespace(dtype="float32", target="")
    request = SimpleNamespace(
        stack_path=str(path),
        artifact=str(folder),
        settings=settings,
        cell=SimpleNamespace(mode=Mode.INFERENCE),
        options={"axis": "batch_size", "sizes": [8], "format_path": str(path)},
    )
    return Job(request, Sandbox(folder / "sandbox"), {}, lambda phase: None)  # type: ignore[arg-type]


CHILDREN = {
    "bakeoff.tasks.profile.child": "Compiler has no profiler",
    "bakeoff.tasks.diagnose.child": "Compiler cannot be diagnosed",
    "bakeoff.tasks.export.child": "Compiler is not a deployment format",
    "bakeoff.tasks.shapes.child": "Compiler has no step without its compiler",
    "bakeoff.tasks.compile_only.child": "Compiler compiles only for the machine that it runs on",
    "bakeoff.worker.one_time_cost": "Compiler has no one-time cost",
}


@pytest.mark.parametrize("child", CHILDREN)
def test_what_a_stack_cannot_do_is_unsupported_in_one_line(tmp_path: Path, child: str) -> None:
    with pytest.raises(Unsupported) as error:
        import_module(child).run(job(plant(tmp_path, "Compiler"), tmp_path))
    assert str(error.value) == CHILDREN[child]


def test_a_stack_that_does_not_train_is_unsupported_in_one_line(tmp_path: Path) -> None:
    stack = load_stack(plant(tmp_path, "Compiler"))
    with pytest.raises(Unsupported, match=r"^Compiler does not train$"):
        TrainingCheck(None, stack, None, None)  # type: ignore[arg-type]
