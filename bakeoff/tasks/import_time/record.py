"""What does importing a framework cost? Standard library only."""

from dataclasses import dataclass

from bakeoff.records.trial import Environment, Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """What the child measured."""

    import_s: float
    cpu_s: float
    read_bytes: int  # that the import took from storage, by the kernel's own count
    modules: int  # that it added
    peak_bytes: int
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportTime:
    """One framework, with its files in the page cache (warm) or not (cold)."""

    framework: str
    cold: bool
    wall_s: float  # of the whole child
    finished_at: str
    found: ImportResult | None = None
    failure: Failure | None = None
    environment: Environment | None = None
