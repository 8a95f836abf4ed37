"""How does DistributedDataParallel run? A process per worker, each with its part of every batch.

Every worker computes loss and gradients on its own part. DDP averages the gradients during the backward pass (gloo over the
loopback interface on a CPU, NCCL on GPUs), and each worker updates its own copy of the parameters. The first worker is the
measuring child. It starts the others and sends them a command for each step over a pipe, which a user's loop does not have.
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

PATIENCE_S = 5.0  # seconds to wait for a worker's message once the group has failed
NOTES = (
    "DDP: memory and CPU seconds are those of the first worker's process, without the others'",
    "DDP: within the step, the first worker sends the others the number of the next batch over a pipe",
)


class Part(NamedTuple):
    """One worker's part of a batch on the device."""

    number: int
    tensors: tuple[torch.Tensor, ...]


class Task(NamedTuple):
    """What a worker needs to start."""

    stack: "TorchDdp"
    model: Model
    weights: Arrays
    config: BuildConfig
    rank: int
    meeting: str  # a file through which the workers find each other


class TorchDdp(TorchStack):
    """DDP with `workers` workers. Each number of workers, and each set of options, is a stack file of its own."""

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
        os.environ.update(GLOO_SOCKET_IFNAME="lo", NCCL_SOCKET_IFNAME="lo", NCCL_IB_DISABLE="1")  # no other network interface
        meeting = str(Path(tempfile.mkdtemp(prefix="workers-"), "meeting"))
        tasks = [Task(self, model, dict(weights), config, rank, meeting) for rank in range(self.workers)]
        self.team, own = Team(tasks[1:]), tasks[0]
        return self.join(own, self.team.ready)

    def join(self, task: Task, ready: Callable[[], None]) -> TorchProgram:
        """In every worker: build its own copy of the module and join the group. `ready` reports, or waits for, the workers."""
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
            number = self.team.send_parts(parts[1:])
            placed = Part(number, super().to_device(program, parts[0]))
            distributed.barrier()
        return placed

    def compile(self, program: TorchProgram) -> Step:
        team = self.team
        assert team is not None
        with team.together():
            team.send("compile")
            step = self.part(program)

        def whole(part: Part) -> torch.Tensor:
            with team.together():
                team.send("step", part.number)
                return step(part.tensors)

        return whole

    def part(self, program: TorchProgram) -> Step:
        """One worker's part of a step. The loss is averaged over the whole batch, as users do who log it."""
        step = super().compile(program)

        def part(batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
            loss: torch.Tensor = step(batch)
            distributed.all_reduce(loss)
            return loss / self.workers

        return part

    def state(self, program: TorchProgram) -> Iterator[tuple[str, Array]]:
        assert self.team is not None
        with self.team.together():
            self.team.send("state")
            yield from self.agreed(program)

    def agreed(self, program: TorchProgram) -> Iterator[tuple[str, Array]]:
        """The elementwise maximum over all workers (every worker's own value where they agree); buffers are the first's."""
        for name, array in super().state(program):
            if not name.startswith("buffer."):
                tensor = torch.tensor(array, device=program.config.device)
                distributed.all_reduce(tensor, distributed.ReduceOp.MAX)
                array = tensor.cpu().numpy()
            yield name, array

    def restart(self, program: TorchProgram, weights: Arrays) -> None:
        assert self.team is not None
        with self.team.together():
            self.team.send("restart", weights)
            super().restart(program, weights)
            distributed.barrier()

    def profile(self, folder: Path) -> AbstractContextManager[StepMarker]:
        if self.workers > 1:
            raise Unsupported("a profiler sees one process, and each worker has its own: profile the stack with one worker")
        return super().profile(folder)

    def serve(self, task: Task, first: Connection) -> None:
        """In every worker but the first: execute its commands."""
        program, step, placed = self.join(task, lambda: first.send("")), None, []
        while True:
            verb, given = first.recv()
            if verb == "step":
                assert step is not None
                step(placed[given])
            elif verb == "to_device":
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
    """The other workers' processes, started by the first one. They are killed when it ends."""

    def __init__(self, tasks: list[Task]) -> None:
        self.processes: list[subprocess.Popen[bytes]] = []
        self.pipes: list[Connection] = []
        self.placed = 0
        for task in tasks:
            ours, theirs = Pipe()
            argv = [sys.executable, "-m", "bakeoff.compilers._torch_ddp_worker", str(theirs.fileno())]
            self.processes.append(subprocess.Popen(argv, stdin=subprocess.DEVNULL, pass_fds=(theirs.fileno(),)))
            theirs.close()
            self.pipes.append(ours)
            ours.send([_source(task.stack), _source(task.model)])
            ours.send(task)

    def ready(self) -> None:
        """Return when every worker has built its module; a group with a missing worker would wait for half an hour."""
        for rank, pipe in enumerate(self.pipes, start=1):
            with self.together():
                failure = pipe.recv()
            if failure:
                raise RuntimeError(f"worker {rank}: {failure}")

    @contextmanager
    def together(self) -> Iterator[None]:
        """A context for what needs every worker: an exception in it names the worker that failed."""
        try:
            yield
        except torch.OutOfMemoryError:  # has its own status
            raise
        except (RuntimeError, OSError, EOFError) as error:
            raise self.cause(error) from error

    def send(self, verb: str, given: Any = None) -> None:
        """Send every worker the same command."""
        for pipe in self.pipes:
            pipe.send((verb, given))

    def send_parts(self, parts: list[Batch]) -> int:
        """Send each worker its part of a batch, and return the number of the batch."""
        for pipe, part in zip(self.pipes, parts, strict=True):
            pipe.send(("to_device", part))
        self.placed += 1
        return self.placed - 1

    def cause(self, error: Exception) -> Exception:
        """Why the group failed: the message of the worker that caused it, or `error` itself."""
        dead, messages = [], []  # a worker that died without a message caused those of the others
        for rank, (process, pipe) in enumerate(zip(self.processes, self.pipes, strict=True), start=1):
            try:
                words = pipe.recv() if pipe.poll(PATIENCE_S) else ""
                code = None if words else process.wait(PATIENCE_S)
            except (EOFError, OSError):
                words, code = "", process.wait()  # its end of the pipe is closed: the process has ended
            except subprocess.TimeoutExpired:
                continue
            if words:
                messages.append(f"worker {rank}: {words}")
            elif code is not None:
                how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit {code}"
                dead.append(f"worker {rank} of {len(self.processes) + 1} ended {how}")
        causes = [*dead, *messages]
        return RuntimeError(causes[0]) if causes else error


def _source(of: object) -> tuple[str, str, str]:
    """(module, file, symbol) of an object's class, which the worker imports before it unpickles the object."""
    module = type(of).__module__
    return module, str(sys.modules[module].__file__), "MODEL" if isinstance(of, Model) else "STACK"
