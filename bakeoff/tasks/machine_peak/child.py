"""What does the machine reach at most? Measured in a child by numpy alone, with as many threads as a cell has.

The report gives a stack's flops and bytes per second as shares of this peak, as in a roofline (Williams et al. 2009). Each
figure is the best of many tries, since other work only ever makes it smaller.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from bakeoff.worker.job import Job

SIZE = 1024  # of the square matrices
COPIED_BYTES = 256 * 2**20  # per copy: far beyond any cache
TRIED_S = 0.4


def run(job: Job) -> dict[str, float]:
    """{"flops_per_s": of a float32 product, "bytes_per_s": read and written by a copy}."""
    threads = job.request.settings.threads
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((SIZE, SIZE), dtype=np.float32) for _ in range(2))
    out = np.empty_like(a)
    product_s = _best(lambda: np.matmul(a, b, out=out))
    source = np.ones(COPIED_BYTES // 4, dtype=np.float32)
    target = np.zeros_like(source)
    parts = list(zip(np.array_split(source, threads), np.array_split(target, threads), strict=True))
    with ThreadPoolExecutor(threads) as pool:  # numpy copies without Python's lock
        copy_s = _best(lambda: list(pool.map(lambda part: np.copyto(part[1], part[0]), parts)))
    return {"flops_per_s": 2 * SIZE**3 / product_s, "bytes_per_s": 2 * COPIED_BYTES / copy_s}


def _best(work: Callable[[], object]) -> float:
    """Seconds of the fastest of the tries that fit into TRIED_S; the first, which initialises, does not count."""
    work()
    best, until = float("inf"), time.perf_counter() + TRIED_S
    while time.perf_counter() < until:
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best
