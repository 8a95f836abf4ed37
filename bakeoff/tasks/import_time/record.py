"""What is stored of the import of a framework? Standard library only."""

from dataclasses import dataclass

from bakeoff.records.trial import Environment, Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """What the child returns."""

    import_s: float  # wall time
    cpu_s: float
    read_bytes: int  # read from storage during the import, as the kernel counts it (/proc/self/io)
    modules: int  # number of modules that were imported
    peak_bytes: int  # peak memory of the bare Python (VmHWM)
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportTime:
    """The import of one framework, with its files in the page cache (warm) or not (cold)."""

    framework: str
    cold: bool
    wall_s: float  # of the whole child
    finished_at: str
    found: ImportResult | None = None
    failure: Failure | None = None
    environment: Environment | None = None
