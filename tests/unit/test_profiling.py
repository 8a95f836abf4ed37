"""Which cells does a glob of `export --profile` select?"""

import pytest

from bakeoff.authoring import discovery
from bakeoff.authoring.errors import UsageError
from bakeoff.records.cell import Mode
from bakeoff.tasks.profile import traces


def test_a_glob_means_the_matrix_where_that_has_it() -> None:
    models, stacks = discovery.models(), discovery.stacks()

    def names(*wanted: str) -> list[str]:
        return [str(found) for found in traces.chosen(wanted, models, stacks)]

    default = [f"mlp-{s.name}-inference" for s in stacks if s.default]
    assert names("mlp-*-inference") == default
    assert names("mlp-torch_eager", "mlp-torch_eager-*") == [f"mlp-torch_eager-{mode}" for mode in Mode]
    assert names("mlp-torch_inductor_f*-inference") == ["mlp-torch_inductor_frozen-inference"]  # not of the matrix
    with pytest.raises(UsageError, match="matches no cell"):
        names("mlp-*-serving")
