"""Is the ratio of two speeds right, and does its verdict follow from its interval?"""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.analysis import pace, ratios
from bakeoff.analysis.ratios import BAND, QUANTILES, RISK, Ratio, Ratios, SpeedVerdict, quantile, undecided_cells
from bakeoff.analysis.results import RecordedStatus, by_cell
from bakeoff.analysis.steady import Steadiness
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.measurement import Slice
from bakeoff.records.trial import Start, Status, Trial
from bakeoff.views.matrix import Matrix
from tests.support.builders import measurement, trial
from tests.support.side_by_side import STEADY, ratios_of

MACHINE = (1.0, 1.9, 1.3, 0.8, 2.0, 1.1, 1.0, 1.6, 0.9, 1.2)  # how slow it is in each of ten rounds
EAGER = Cell("toy", "eager", Mode.INFERENCE)


def cell(stack: str) -> Cell:
    return Cell("toy", stack, Mode.INFERENCE)


def member(stack: str, rounds: Sequence[float], index: int = 0, **changes: object) -> Trial:
    """A member of group `index`, by its mean steps in ten rounds."""
    samples = [step * share for step in rounds for share in (0.9, 1.0, 1.1)]
    return trial(measurement(samples), stack=stack, index=index, **({"eager": stack == "eager"} | changes))


def group(index: int = 0, name: str | None = None, **steps: float) -> list[Trial]:
    """The members of a group, by their steps."""
    called = str(index) if name is None else name
    return [member(stack, [step * slow for slow in MACHINE], index, group=called) for stack, step in steps.items()]


def between(trials: Sequence[Trial], stack: str = "fast", other: str = "eager") -> Ratio:
    found = ratios_of(trials).between(cell(stack), cell(other))
    assert found is not None
    return found


# ---- the estimator


@pytest.mark.parametrize("true", [0.4, 1.0, 1.89, 250.0])
def test_a_known_ratio_comes_out_however_the_speed_of_the_machine_changes(true: float) -> None:
    found = between([*group(0, eager=true * 1e-3, fast=1e-3), *group(1, eager=true * 1.5e-3, fast=1.5e-3)])
    assert found.value == pytest.approx(true)
    assert found.groups == 2
    assert found.low < true < found.high


@pytest.mark.parametrize("disturbed", ["eager", "fast"])
def test_a_disturbance_of_some_rounds_does_not_move_it(disturbed: str) -> None:
    trials = group(eager=2e-3, fast=1e-3)
    rounds = [step * (5 if number in (3, 4, 5) else 1) for number, step in enumerate(MACHINE)]
    other = [member(t.cell.stack, [1e-3 * r for r in rounds]) if t.cell.stack == disturbed else t for t in trials]
    true = {"eager": 1.0, "fast": 2.0}[disturbed]
    assert between(other).value == pytest.approx(true)


def test_a_slice_counts_by_its_mean() -> None:
    """Short steps fit between two turns of another program on the CPU, and the turns are in few of them."""
    short = trial(measurement([1e-3, 1e-3, 1e-3, 5e-3] * 10), stack="fast")
    long = trial(measurement([4e-3] * 10), stack="eager", eager=True)
    assert between([short, long]).value == pytest.approx(2.0)


def test_a_ratio_is_the_mean_of_its_groups() -> None:
    found = between([*group(0, eager=1.00e-3, fast=1e-3), *group(1, eager=1.21e-3, fast=1e-3)])
    assert found.value == pytest.approx(1.1)


def test_the_other_way_round_it_is_the_inverse() -> None:
    trials = [*group(0, eager=1.9e-3, fast=1e-3), *group(1, eager=2.1e-3, fast=1e-3)]
    there, back = between(trials), between(trials, "eager", "fast")
    assert (back.log, back.error) == pytest.approx((-there.log, there.error))
    assert (back.low, back.high) == pytest.approx((1 / there.high, 1 / there.low))


def test_a_cell_is_as_fast_as_itself() -> None:
    found = between(group(eager=1e-3, fast=1e-3), "fast", "fast")
    assert (found.low, found.value, found.high, found.verdict) == (1, 1, 1, SpeedVerdict.SAME)


def test_two_cells_that_were_in_no_common_group_have_no_ratio() -> None:
    apart = [*group(0, "0", eager=1e-3), *group(0, "0 part 2", fast=1e-3)]
    alone = [replace(t, group=None) for t in group(eager=1e-3, fast=1e-3)]
    later = [*group(0, eager=1e-3), *group(1, fast=1e-3)]
    for trials in (apart, alone, later):
        found = ratios_of(trials)
        assert found.between(cell("fast"), EAGER) is None
        assert found.over_eager(cell("fast")) is None


def test_a_cell_without_a_speed_has_no_ratio() -> None:
    trials = group(eager=1e-3, fast=1e-3)
    wrong = RecordedStatus(Status.WRONG, "", Steadiness(steady=True, start=0, verified=True))
    found = Ratios.of(trials, results=by_cell(trials, {EAGER: wrong, cell("fast"): STEADY}))
    assert found.between(cell("fast"), EAGER) is None
    assert found.best("toy", Mode.INFERENCE) == cell("fast")


def test_each_part_of_a_group_is_compared_with_its_own_eager() -> None:
    """Memory did not hold all children at once; meanwhile the machine became slower."""
    trials = [*group(0, "0", eager=1e-3, a=1e-3), *group(0, "0 part 2", eager=3e-3, b=1.5e-3)]
    found = ratios_of(trials)
    assert [found.over_eager(cell(stack)).value for stack in ("a", "b")] == pytest.approx([1.0, 2.0])
    assert [found.over_eager(cell(stack)).groups for stack in ("a", "b")] == [1, 1]
    assert found.between(cell("a"), cell("b")) is None


def test_two_that_were_in_both_parts_of_a_group_have_one_ratio_of_it() -> None:
    trials = [*group(0, "0", eager=1e-3, other=1e-3), *group(0, "0 part 2", eager=3e-3, other=3e-3)]
    assert between(trials, "other").groups == 1


def test_a_control_is_no_trial_of_its_cell() -> None:
    trials = group(eager=2e-3, fast=1e-3)
    (copy,) = [replace(t, control=True) for t in group(eager=4e-3)]
    found = ratios_of([*trials, copy])
    assert len(found.results[EAGER].measured) == 1
    assert found.over_eager(cell("fast")).value == pytest.approx(2.0)
    assert found.control.value == pytest.approx(0.5)
    assert ratios_of(trials).control is None


def test_a_control_whose_cell_is_gone_says_nothing() -> None:
    (copy,) = [replace(t, control=True) for t in group(eager=1e-3)]
    found = ratios_of([*group(a=1e-3, b=1e-3), copy])
    assert found.control is None
    assert found.between(cell("a"), cell("b")).value == pytest.approx(1.0)


def test_a_warm_start_in_a_group_counts_as_well() -> None:
    trials = [*group(0, eager=2e-3, fast=1e-3), *group(1, eager=2e-3, fast=1e-3)]
    warm = [replace(t, start=Start.WARM) if t.index and t.cell.stack == "fast" else t for t in trials]
    assert between(warm).groups == 2


def test_a_slice_without_samples_leaves_the_rounds_together() -> None:
    slower = [1.2**n for n in range(10)]  # from round to round
    eager, fast = member("eager", [2e-3 * slow for slow in slower]), member("fast", [1e-3 * slow for slow in slower])
    samples = fast.measurement.step_s
    slices = list(fast.measurement.slices)
    slices[2] = Slice(samples=0, cpu_s=0.0, wait_s=0.0)
    cut = replace(fast.measurement, step_s=samples[:6] + samples[9:], slices=tuple(slices))
    assert between([eager, replace(fast, measurement=cut)]).value == pytest.approx(2.0)


def test_steps_after_the_last_slice_are_in_no_round() -> None:
    """The steps whose outputs are checked are timed, too, after all rounds."""
    (eager,) = group(eager=2e-3)
    (fast,) = group(fast=1e-3)
    more = replace(fast.measurement, step_s=(*fast.measurement.step_s, 9.0, 9.0))
    assert between([eager, replace(fast, measurement=more)]).value == pytest.approx(2.0)


def test_a_pair_of_an_older_bakeoff_has_twenty_rounds() -> None:
    old = replace(measurement([1e-3] * 40), slices=())
    assert len(pace.rounds(old)) == pace.OLD_ROUNDS
    assert len(pace.rounds(replace(old, step_s=(1e-3,) * 3))) == 3


# ---- the interval


def test_more_groups_narrow_it() -> None:
    def apart(index: int) -> float:
        return 2e-3 * (1.01 if index % 2 else 0.99)

    few, many = (between([t for i in range(n) for t in group(i, eager=apart(i), fast=1e-3)]) for n in (2, 4))
    assert many.half_width < 0.8 * few.half_width
    assert few.with_groups(4).half_width == pytest.approx(many.half_width, rel=0.2)


def test_groups_that_differ_widen_it() -> None:
    alike = [*group(0, eager=2.00e-3, fast=1e-3), *group(1, eager=2.00e-3, fast=1e-3)]
    apart = [*group(0, eager=1.96e-3, fast=1e-3), *group(1, eager=2.04e-3, fast=1e-3)]
    assert between(apart).half_width > 2 * between(alike).half_width


def test_rounds_that_differ_widen_it() -> None:
    rounds = [1e-3 * factor for factor in (0.7, 1.4, 0.8, 1.2, 0.6, 1.5, 1.0, 0.9, 1.1, 1.3)]
    noisy = between([*group(eager=1e-3), member("fast", [r * slow for r, slow in zip(rounds, MACHINE, strict=True)])])
    assert noisy.half_width > 5 * between(group(eager=1e-3, fast=1e-3)).half_width


def test_a_control_that_differs_from_its_cell_widens_all() -> None:
    trials = [t for i in range(2) for t in group(i, eager=2e-3, fast=1e-3)]
    controls = [replace(t, control=True) for i in range(2) for t in group(i, eager=2.1e-3)]
    assert between([*trials, *controls]).half_width > 2 * between(trials).half_width


def test_one_cell_that_varies_much_hardly_widens_the_others() -> None:
    quiet, wild = ([t for i in range(2) for t in group(i, eager=2e-3, fast=1e-3, a=1e-3, b=(1 + n * i) * 1e-3)] for n in (0, 3))
    assert between(wild).half_width == pytest.approx(between(quiet).half_width)
    assert between(wild, "b").half_width > 10 * between(wild).half_width


@pytest.mark.parametrize("freedom", sorted(QUANTILES))
def test_a_quantile_is_that_of_student(freedom: int) -> None:
    from scipy.special import stdtrit

    assert QUANTILES[freedom] == pytest.approx(stdtrit(freedom, 1 - RISK), abs=1e-3)


@pytest.mark.parametrize(("freedom", "entry"), [(5.0, 5), (5.9, 5), (11.0, 10), (29.9, 20), (1000.0, 120), (2.0, 4)])
def test_between_two_quantiles_it_is_that_of_fewer_degrees_of_freedom(freedom: float, entry: int) -> None:
    assert quantile(freedom) == QUANTILES[entry]


# ---- the verdict


def made(value: float, off: float) -> Ratio:
    """A ratio whose interval reaches `off` to both sides, of two groups."""
    freedom = 5.0
    return Ratio(log=math.log(value), error=off / quantile(freedom), freedom=freedom, groups=2)


@pytest.mark.parametrize(
    ("value", "off", "verdict"),
    [
        (1.005, 0.010, SpeedVerdict.SAME),
        (1.012, 0.003, SpeedVerdict.SAME),  # it is faster, and by less than anybody cares about
        (1.050, 0.010, SpeedVerdict.FASTER),
        (1.030, 0.020, SpeedVerdict.FASTER),
        (0.950, 0.010, SpeedVerdict.SLOWER),
        (1.010, 0.030, SpeedVerdict.UNDECIDED),
        (1.300, 0.400, SpeedVerdict.UNDECIDED),
    ],
)
def test_a_verdict_follows_from_the_interval(value: float, off: float, verdict: SpeedVerdict) -> None:
    assert made(value, off).verdict is verdict


@given(st.floats(0.5, 2.0), st.floats(0.0, 1.0))
def test_no_interval_that_contains_1_makes_a_winner(value: float, off: float) -> None:
    ratio = made(value, off)
    contains = ratio.low <= 1 <= ratio.high
    assert not (contains and ratio.verdict in (SpeedVerdict.FASTER, SpeedVerdict.SLOWER))
    assert (ratio.verdict is SpeedVerdict.UNDECIDED) == (
        contains and not (ratio.low >= 1 / (1 + BAND) and ratio.high <= 1 + BAND)
    )
    turned = {SpeedVerdict.FASTER: SpeedVerdict.SLOWER, SpeedVerdict.SLOWER: SpeedVerdict.FASTER}
    assert replace(ratio, log=-ratio.log).verdict is turned.get(ratio.verdict, ratio.verdict)


# ---- the winners


def test_winners_are_all_that_cannot_be_told_apart_from_the_best() -> None:
    found = ratios_of([t for i in range(2) for t in group(i, eager=2e-3, near=1.01e-3, slow=1.5e-3, best=1e-3)])
    assert found.best("toy", Mode.INFERENCE) == cell("best")
    assert found.winners("toy", Mode.INFERENCE) == ["best", "near"]
    assert found.winners("toy", Mode.INFERENCE, ["eager", "slow"]) == ["slow"]


def test_what_noise_hides_is_a_winner_too() -> None:
    trials = [*group(0, a=1e-3, b=1.00e-3, slow=1.5e-3), *group(1, a=1e-3, b=1.25e-3, slow=1.5e-3)]
    assert ratios_of(trials).winners("toy", Mode.INFERENCE) == ["a", "b"]


def test_stacks_that_had_no_common_group_have_no_winner() -> None:
    found = ratios_of([replace(t, group=None) for t in group(eager=2e-3, fast=1e-3)])
    assert found.best("toy", Mode.INFERENCE) is None
    assert found.winners("toy", Mode.INFERENCE) == []
    assert ratios_of(group(fast=1e-3)).winners("toy", Mode.INFERENCE) == ["fast"]  # it is the only one


def test_the_best_is_one_that_can_be_compared_with_the_others() -> None:
    alone = [replace(t, group=None) for t in group(alone=1e-4)]
    found = ratios_of([*alone, *group(eager=2e-3, fast=1e-3)])
    assert found.winners("toy", Mode.INFERENCE) == ["fast"]
    assert found.over_best(cell("alone")) is None
    assert found.over_best(EAGER).value == pytest.approx(0.5)


def test_a_stack_that_was_never_beside_the_best_is_named() -> None:
    first, second = group(0, "0", eager=2e-3, fast=1e-3), group(0, "0 part 2", eager=2e-3, other=1e-3)
    found = ratios_of([*first, *second])
    (best,) = found.winners("toy", Mode.INFERENCE)
    (apart,) = {"fast", "other"} - {best}
    assert found.never_beside_best("toy", Mode.INFERENCE) == [apart]
    assert ratios_of(first).never_beside_best("toy", Mode.INFERENCE) == []
    assert f"no group had {apart} beside {best}" in " ".join(Matrix(found.results, found).notes())


def test_data_parallel_stacks_win_only_where_they_are_named() -> None:
    trials = [replace(t, workers=2) if t.cell.stack == "two" else t for t in group(eager=2e-3, two=1e-3)]
    assert ratios_of(trials).winners("toy", Mode.INFERENCE) == ["eager"]
    assert ratios_of(trials).winners("toy", Mode.INFERENCE, ["eager", "two"]) == ["two"]


def test_each_pair_of_cells_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report asks for the same ratios many times."""
    found, asked = ratios_of(group(eager=2e-3, fast=1e-3)), []
    real = ratios._of_group
    monkeypatch.setattr(ratios, "_of_group", lambda x, y: asked.append((x, y)) or real(x, y))
    first = found.over_eager(cell("fast"))
    assert len(asked) == 1
    assert found.over_eager(cell("fast")) == first
    assert len(asked) == 1


# ---- which cells another group should measure


def calm(index: int, **steps: float) -> list[Trial]:
    """The members of a group on a machine whose speed does not change."""
    return [member(stack, [step] * 10, index) for stack, step in steps.items()]


def wanted(trials: Sequence[Trial], most: int = 4) -> set[str]:
    every = {t.cell for t in trials}
    assert {result.status for result in by_cell(trials).values()} == {Status.OK}
    return {each.stack for each in undecided_cells(trials, every, BAND, most)}


def test_no_further_group_where_no_question_is_open() -> None:
    assert wanted([t for i in range(2) for t in calm(i, eager=2e-3, fast=1e-3, slow=4e-3)]) == set()
    assert wanted([t for i in range(2) for t in calm(i, eager=2e-3, same=2e-3)]) == set()


def test_an_open_question_comes_with_the_cells_that_it_is_about() -> None:
    """`near` is somewhat slower than the best one, or is not: two groups do not say."""
    trials = [
        *calm(0, eager=2e-3, best=1e-3, near=1.000e-3, slow=4e-3),
        *calm(1, eager=2e-3, best=1e-3, near=1.035e-3, slow=4e-3),
    ]
    assert wanted(trials) == {"near", "best", "eager"}


def test_no_further_group_where_all_that_are_allowed_decide_nothing() -> None:
    trials = [*calm(0, eager=1e-3, wild=0.5e-3), *calm(1, eager=1e-3, wild=2.0e-3)]
    assert not between(trials, "wild").decided
    assert wanted(trials) == set()


def test_no_further_group_than_are_allowed() -> None:
    trials = [*calm(0, eager=1e-3, near=1.002e-3), *calm(1, eager=1e-3, near=1.014e-3)]
    assert wanted(trials) == {"eager", "near"}
    assert wanted(trials, most=2) == set()
