"""What all members of a group do in the same rounds is the machine's doing, and what one does alone its own."""

from collections.abc import Sequence

import pytest

from bakeoff.analysis.pace import Pace
from bakeoff.analysis.results import by_cell
from bakeoff.records.trial import Status, Trial
from tests.support.builders import measurement, trial

LEVEL = (1e-3,) * 1000
SLOWER = (1e-3,) * 500 + (1.5e-3,) * 500  # from the middle on
FASTER = (1e-3,) * 500 + (0.7e-3,) * 500


def members(*steps: Sequence[float], groups: int = 2, model: str = "toy") -> list[Trial]:
    """Of stacks a, b, c, ...: each has these step times in each group."""
    return [
        trial(measurement(step_s), model=model, stack=name, index=group)
        for group in range(groups)
        for name, step_s in zip("abcdef", steps, strict=False)
    ]


def statuses(trials: Sequence[Trial]) -> dict[str, Status]:
    return {cell.stack: result.status for cell, result in by_cell(trials).items()}


@pytest.mark.parametrize("stacks", [3, 4, 6])
def test_a_machine_that_slows_down_makes_no_member_unsteady(stacks: int) -> None:
    found = by_cell(members(*[SLOWER] * stacks))
    assert {result.status for result in found.values()} == {Status.OK}
    assert {result.trust.noise for result in found.values()} == {0.0}
    assert next(iter(found.values())).measurements[0].step_s == SLOWER  # figures are of what was measured


@pytest.mark.parametrize("stacks", [1, 2])
def test_without_two_others_nobody_can_say_whose_doing_it_is(stacks: int) -> None:
    assert set(statuses(members(*[SLOWER] * stacks)).values()) == {Status.UNSTEADY}


@pytest.mark.parametrize("alone", [SLOWER, FASTER])
@pytest.mark.parametrize("others", [2, 3, 5])
def test_a_program_that_changes_its_speed_alone_is_unsteady_and_no_other(alone: Sequence[float], others: int) -> None:
    found = statuses(members(alone, *[LEVEL] * others))
    assert found.pop("a") is Status.UNSTEADY
    assert set(found.values()) == {Status.OK}


@pytest.mark.parametrize(
    "steps", [(SLOWER, LEVEL), (SLOWER, SLOWER, LEVEL), (SLOWER, SLOWER, SLOWER, LEVEL, LEVEL), (LEVEL, SLOWER, SLOWER, SLOWER)]
)
def test_no_member_makes_a_level_one_unsteady(steps: Sequence[Sequence[float]]) -> None:
    """Nor does a control, which repeats what its cell does."""
    controls = [trial(measurement(steps[0]), stack="a", index=group, control=True) for group in range(2)]
    for extra in ([], controls):
        found = statuses([*members(*steps), *extra])
        level = [name for name, step_s in zip("abcdef", steps, strict=False) if step_s is LEVEL]
        assert {found[name] for name in level} == {Status.OK}


def test_a_part_of_a_run_is_judged_as_in_the_whole_run() -> None:
    """The table of the matrix has no deployment formats, which were in the same groups."""
    trials = members(SLOWER, SLOWER, SLOWER)
    part = [t for t in trials if t.cell.stack != "c"]
    assert {r.status for r in by_cell(part).values()} == {Status.UNSTEADY}
    assert {r.status for r in by_cell(part, pace=Pace(trials)).values()} == {Status.OK}


def test_members_of_other_groups_say_nothing() -> None:
    first, second = members(SLOWER, model="one"), members(*[SLOWER] * 5, model="two")
    assert statuses(first + second[:0])["a"] is Status.UNSTEADY
    result = next(r for cell, r in by_cell(first + second).items() if cell.model == "one")
    assert result.status is Status.UNSTEADY


def test_a_control_is_one_of_the_others() -> None:
    trials = members(SLOWER, SLOWER)
    controls = [trial(measurement(SLOWER), stack="a", index=group, control=True) for group in range(2)]
    assert set(statuses(trials + controls).values()) == {Status.OK}


def test_steps_outside_of_a_group_stay_as_they_are() -> None:
    alone = trial(measurement(SLOWER, slices=()), group=None)
    pace = Pace([alone, *members(SLOWER, SLOWER, SLOWER)])
    assert alone.measurement is not None
    assert pace.taken_out(alone, alone.measurement) is alone.measurement


def test_steps_after_the_last_slice_have_its_pace() -> None:
    trials = [trial(measurement((*SLOWER, 1.5e-3, 1.5e-3), slices=measurement(SLOWER).slices), stack=s) for s in "abc"]
    first = trials[0]
    assert first.measurement is not None
    assert Pace(trials).taken_out(first, first.measurement).step_s == pytest.approx((1.25e-3,) * 1002)
