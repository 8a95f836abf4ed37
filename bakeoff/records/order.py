"""What does the parent tell a fork server to start? One JSON file per child. Standard library only."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

ORDERS_FD = "BAKEOFF_ORDERS_FD"  # environment variable: a fork server's end of the socket for orders
READY = b"ready"  # what a fork server sends when it has imported its framework


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A child to fork. Its log, the pipe for phases and the pipe for its status are sent with the path of this file."""

    request: str  # path of its Request
    environment: dict[str, str]  # complete
    cpus: list[int]
    directory: str

    def write(self, path: Path) -> None:
        """Write the order to `path` as JSON."""
        path.write_text(json.dumps(dataclasses.asdict(self)))


def read_order(path: Path) -> Order:
    """The order that `Order.write` wrote to `path`."""
    return Order(**json.loads(path.read_text()))
