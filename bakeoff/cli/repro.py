"""bakeoff repro: how do I report a bug to a framework? Writes a cell as one script without Bakeoff.

The parent imports neither a framework nor the model's file. It follows the names that the network needs through the syntax
trees, and leaves out the implementations for other frameworks. The "recipe" of a stack is the code that a user writes by hand.
"""

import argparse
import ast
import re
import sys
from pathlib import Path
from string import Template
from textwrap import indent

from bakeoff.analysis.settings import flags_of_the_script
from bakeoff.authoring import discovery
from bakeoff.authoring.discovery import ROOT, Registry, Source, StackSource, shown
from bakeoff.authoring.errors import UsageError
from bakeoff.authoring.model import SIZES
from bakeoff.cli import _common
from bakeoff.records.cell import Mode
from bakeoff.runner import options
from bakeoff.runner.option_values import at_least
from bakeoff.views.excerpt import Parts

SCRIPT = Template('''\
"""The model $model, $size, compiled as Bakeoff's $stack.

$about

    pip install $requirements
    python $model-$stack.py

The network runs eagerly, then compiled, and each output of the compiled program is compared with the eager one. The script
exits with 1 if an output is wrong; an exception of the compiler is not caught. Written by `bakeoff repro`.
"""

from __future__ import annotations

$imports

$definitions


def float32(array):
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def main():
    # the network, its weights and four batches, all generated from a seed
    model = $network
    weights = {name: float32(array) for name, array in model.weights(Draw($seed)).items()}
    batches = [tuple(map(float32, model.batch(Draw($seed, 1, i), i).inputs)) for i in range(4)]

    # the network in $framework, and its outputs without a compiler
$build
    expected = [module(*batch).numpy() for batch in inputs]
    print("Python", sys.version.split()[0], "numpy", np.__version__, "$framework", sys.modules["$framework"].__version__)

    # $stack
$recipe

    # two batches alternate, then follow two held-out batches
    wrong = 0
    for i in (0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 2, 3):
        output = step(*inputs[i]).numpy()
        error = np.abs(output - expected[i]).max() / np.abs(expected[i]).max()
        print(f"batch {i}: max |difference| / max |reference| = {error:.1e}", flush=True)
        wrong += not error <= model.tolerance  # so that NaN is wrong
    print(f"{wrong} of 12 outputs differ by more than {model.tolerance:.0e}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
''')


def add_verb(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand."""
    writing = _common.add(
        verbs,
        "repro",
        "write a script that runs one cell in the framework alone, for a bug report",
        "bakeoff repro branchy torch_inductor -o repro.py",
        "bakeoff repro mlp-tf_xla-inference --size full",
    )
    writing.add_argument("cell", metavar="CELL", help="such as branchy-torch_inductor-inference, or MODEL STACK")
    writing.add_argument("stack", metavar="STACK", nargs="?", help=argparse.SUPPRESS)
    writing.add_argument("-o", "--output", metavar="FILE", help="write to FILE (default: standard output)")
    options.add(writing, {flag: options.RUN[flag] for flag in flags_of_the_script()})
    writing.set_defaults(do=_repro)


def script(
    model: Source, stack: StackSource, stacks: Registry[StackSource], *, size: str, batch_size: int | None, seed: int = 0
) -> str:
    """The text of the script. `stacks` includes the eager one, which builds the network. UsageError for code it cannot copy."""
    discovery.check(model, "MODEL")
    discovery.check(stack, "STACK")
    eager = {s.framework: s.recipe for s in stacks if s.eager and s.recipe is not None}
    if stack.recipe is None or stack.framework not in eager:
        name = stack.name if stack.recipe is None else f"the eager stack of {stack.framework}"
        raise UsageError(
            f'repro needs a "recipe" in the HEADER of {name}, the code that a user writes by hand; see compilers/torch_eager.py'
        )
    parts = Parts(model.path, size, stack.framework, eager, called=None)
    called = {"tolerance", *re.findall(r"\.(\w+)", parts.definitions() + eager[stack.framework])}
    parts = Parts(model.path, size, stack.framework, eager, called)
    network = parts.network
    if batch_size is not None:
        network = f"dataclasses.replace({network}, batch_size={batch_size})"
        parts.imported[""].add("dataclasses")
    about = ast.get_docstring(parts.file(model.path).tree) or f"The network of {shown(model.path)}."
    return SCRIPT.substitute(
        model=model.name,
        size=size,
        stack=stack.name,
        framework=stack.framework,
        about=about.replace("\\", "\\\\").replace('"""', "'''"),
        requirements=" ".join(_pinned(package) for package in (stack.framework, "numpy")),
        imports=parts.imports(),
        definitions=parts.definitions(),
        network=network,
        seed=seed,
        build=indent(eager[stack.framework].strip(), "    "),
        recipe=indent("step = module" if stack.eager else stack.recipe.strip(), "    "),
    )


def _pinned(package: str) -> str:
    """The package to install, with its version if constraints.txt has one."""
    constraints = ROOT / "constraints.txt"
    lines = constraints.read_text(encoding="utf-8").split() if constraints.is_file() else []
    return next((line for line in lines if re.match(rf"{package}(-cpu)?==", line)), package)


def _repro(asked: argparse.Namespace) -> int:
    if asked.size not in SIZES:
        raise UsageError(f"there is no size {asked.size}; there are: {', '.join(SIZES)}")
    models, stacks = discovery.models(map(Path, asked.models_from)), discovery.stacks(map(Path, asked.compilers_from))
    cell = discovery.named_cell("-".join(filter(None, (asked.cell, asked.stack))), models, stacks)
    if cell.mode is not Mode.INFERENCE:
        raise UsageError(f"{cell}: repro writes {Mode.INFERENCE} steps only")
    if asked.batch_size is not None:
        at_least(1, asked.batch_size, "--batch-size")
    text = script(models[cell.model], stacks[cell.stack], stacks, size=asked.size, batch_size=asked.batch_size)
    if asked.output is None:
        sys.stdout.write(text)
        return 0
    try:
        Path(asked.output).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--output: cannot write {asked.output}: {error.strerror}") from None
    return 0
