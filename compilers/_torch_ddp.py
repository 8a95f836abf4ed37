"""DistributedDataParallel as its users run it: a process per worker, each with its part of every batch.

Every worker goes forward and backward on its own part; DDP averages the gradients over all of them while they come (gloo over
the loopback interface on a CPU, NCCL on GPUs), and each updates its own copy of the parameters. The first worker is the
measuring child; it starts the others and tells them over a pipe what to do next, which is what it pays beyond a user's loop.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from bakeoff import Array, Arrays, Batch, BuildConfig, Mode, Model, Step, StepMarker, Unavailable, Unsupported, Weights
from bakeoff.compilers._torch import TorchProgram, TorchStack

PATIENCE_S = 5.0  # for the last words of a worker, once the group has broken
NOTES = (
    "DDP: memory and CPU seconds are those of the first worker's process, without the others'",
    "DDP: the first worker tells the others over a pipe which batch is next, within the step",
)


class Part(NamedTuple):
    """One worker's part of a placed batch."""

    number: int
    tensors: tuple[torch.Tensor, ...]


class Task(NamedTuple):
    """What a worker is started with."""

    stack: "TorchDdp"
    model: Model
    weights: Arrays
    config: BuildConfig
    rank: int
    meeting: str  # a file by which the workers find each other


class TorchDdp(TorchStack):
    """DDP with `workers` workers. A file that has another number, or other options, is another stack."""

    def __init__(self, workers: int) -> None:
        self.workers: int = workers
        if workers > 1:
            self.notes = (*TorchStack.notes, *NOTES)
        self.team: Team | None = None

    def transform(self, module: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> Step:
        return DistributedDataParallel(module)

    def build(self, model: Model, weights: Weights, config: BuildConfig) -> TorchProgram:
        if config.mode is not Mode.TRAINING:
            raise Unsupported("data-parallel training only: --modes training")
        if not distributed.is_available():
            raise Unavailable("this torch was built without torch.distributed: pip install torch")
        if config.device == "cuda" and torch.cuda.device_count() < self.workers:
            there = torch.cuda.device_count()
            raise Unavailable(f"{self.workers} workers take a CUDA device each, and torch sees {there}: --device cpu")
        os.environ.update(GLOO_SOCKET_IFNAME="lo", NCCL_SOCKET_IFNAME="lo", NCCL_IB_DISABLE="1")  # no other interface, ever
        meeting = str(Path(tempfile.mkdtemp(prefix="workers-"), "meeting"))
        tasks = [Task(self, model, dict(weights), config, rank, meeting) for rank in range(self.workers)]
        self.team, own = Team(tasks[1:]), tasks[0]
        return self.join(own, self.team.ready)

    def join(self, task: Task, ready: Callable[[], None]) -> TorchProgram:
        """In every worker: its own copy of the module, and into the group. `ready` says or hears that it is there."""
        cuda = task.config.device == "cuda"
        if cuda:
            torch.cuda.set_device(task.rank)
        program = super().build(task.model, Weights(task.weights), task.config)
        ready()
        distributed.init_process_group(
            "nccl" if cuda else "gloo", init_method=f"file://{task.meeting}", rank=task.rank, world_size=self.workers
        )
        return program

    def to_device(self, program: TorchProgram, batch: Batch) -> Any:
        assert self.team is not None
        parts = [program.model.shard(batch, rank, self.workers) for rank in range(self.workers)]
        with self.team.together():
            number = self.team.to_device(parts[1:])
            placed = Part(number, super().to_device(program, parts[0]))
            distributed.barrier()
        return placed

    def compile(self, program: TorchProgram) -> Step:
        team = self.team
        assert team is not None
        with team.together():
            team.tell("compile")
            step = self.part(program)

        def whole(part: Part) -> torch.Tensor:
            with team.together():
                team.tell("step", part.number)
                return step(part.tensors)

        return whole

    def part(self, program: TorchProgram) -> Step:
        """One worker's part of a step; the loss is of the whole batch, averaged as users do who log it."""
        step = super().compile(program)

        def part(batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
            loss: torch.Tensor = step(batch)
            distributed.all_reduce(loss)
            return loss / self.workers

        return part

    def state(self, program: TorchProgram) -> Iterator[tuple[str, Array]]:
        assert self.team is not None
        with self.team.together():
            self.team.tell("state")
            yield from self.agreed(program)

    def agreed(self, program: TorchProgram) -> Iterator[tuple[str, Array]]:
        """Of each element the largest of all workers', which is every worker's own where they agree; the first's buffers."""
        for name, array in super().state(program):
            if not name.startswith("buffer."):
                tensor = torch.tensor(array, device=program.config.device)
                distributed.all_reduce(tensor, distributed.ReduceOp.MAX)
                array = tensor.cpu().numpy()
            yield name, array

    def restart(self, program: TorchProgram, weights: Arrays) -> None:
        assert self.team is not None
        with self.team.together():
            self.team.tell("restart", weights)
            super().restart(program, weights)
            distributed.barrier()

    def profile(self, folder: Path) -> AbstractContextManager[StepMarker]:
        if self.workers > 1:
            raise Unsupported("a profiler sees one process, and the other workers have their own: profile it with one worker")
        return super().profile(folder)

    def serve(self, task: Task, first: Connection) -> None:
        """In every worker but the first: do what it says."""
        program, step, placed = self.join(task, lambda: first.send("")), None, []
        while True:
            verb, given = first.recv()
            if verb == "step":
                assert step is not None
                step(placed[given])
            elif verb == "place":
                placed.append(super().to_device(program, given))
                distributed.barrier()
            elif verb == "compile":
                step = self.part(program)
            elif verb == "state":
                for _ in self.agreed(program):
                    pass
            elif verb == "restart":
                super().restart(program, given)
                distributed.barrier()


class Team:
    """The other workers' processes, as the first one sees them. They die with it."""

    def __init__(self, tasks: list[Task]) -> None:
        self.processes: list[subprocess.Popen[bytes]] = []
        self.pipes: list[Connection] = []
        self.placed = 0
        for task in tasks:
            ours, theirs = Pipe()
            argv = [sys.executable, "-m", "compilers._torch_ddp_worker", str(theirs.fileno())]
            self.processes.append(subprocess.Popen(argv, stdin=subprocess.DEVNULL, pass_fds=(theirs.fileno(),)))
            theirs.close()
            self.pipes.append(ours)
            ours.send([_source(task.stack), _source(task.model)])
            ours.send(task)

    def ready(self) -> None:
        """Return when every worker is there; a group of which one never comes would wait for half an hour."""
        for rank, pipe in enumerate(self.pipes, start=1):
            with self.together():
                said = pipe.recv()
            if said:
                raise RuntimeError(f"worker {rank}: {said}")

    @contextmanager
    def together(self) -> Iterator[None]:
        """What needs every worker; where one of them breaks it, the exception says which."""
        try:
            yield
        except torch.OutOfMemoryError:  # a status of its own
            raise
        except (RuntimeError, OSError, EOFError) as error:
            raise self.counters(error) from error

    def tell(self, verb: str, given: Any = None) -> None:
        """The same to every worker."""
        for pipe in self.pipes:
            pipe.send((verb, given))

    def to_device(self, parts: list[Batch]) -> int:
        """Its part of a batch to every worker; the number of the batch."""
        for pipe, part in zip(self.pipes, parts, strict=True):
            pipe.send(("place", part))
        self.placed += 1
        return self.placed - 1

    def counters(self, error: Exception) -> Exception:
        """Why the group broke, in the words of the worker that broke it; the exception itself if that was none."""
        dead, said = [], []  # who dies in silence is the cause of what others have to say
        for rank, (process, pipe) in enumerate(zip(self.processes, self.pipes, strict=True), start=1):
            try:
                words = pipe.recv() if pipe.poll(PATIENCE_S) else ""
                code = None if words else process.wait(PATIENCE_S)
            except (EOFError, OSError):
                words, code = "", process.wait()  # its end of the pipe is closed: it has ended
            except subprocess.TimeoutExpired:
                continue
            if words:
                said.append(f"worker {rank}: {words}")
            elif code is not None:
                how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit {code}"
                dead.append(f"worker {rank} of {len(self.processes) + 1} ended {how}")
        told = [*dead, *said]
        return RuntimeError(told[0]) if told else error


def _source(of: object) -> tuple[str, str, str]:
    """(module, file, symbol) of an object's class, which the worker imports before it can be sent the object."""
    module = type(of).__module__
    return module, str(sys.modules[module].__file__), "MODEL" if isinstance(of, Model) else "STACK"
