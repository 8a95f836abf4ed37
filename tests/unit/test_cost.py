"""Are the total, the winners, their ranges and the break-even of `bakeoff pick` what the measurements show, and no more?"""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bakeoff.analysis import cost
from bakeoff.analysis.cost import BreakEven, Costs, FastestFrom
from bakeoff.analysis.ratios import Ratios
from bakeoff.records.cell import Cell, Mode
from bakeoff.records.trial import Failure, Phase, Status, Trial
from tests.support.builders import trial
from tests.support.effort import cases
from tests.support.side_by_side import ratios_of, taken

Stack = tuple[str, float, float]  # name, seconds of a step, seconds of compiling
THREE: tuple[Stack, ...] = (("eager", 0.010, 0.0), ("script", 0.008, 0.5), ("inductor", 0.005, 5.0))


def of(trials: Sequence[Trial]) -> Costs:
    return Costs(ratios_of(trials), "mlp", Mode.INFERENCE)


def costs(*stacks: Stack) -> Costs:
    return of([t for name, step_s, compile_s in stacks for t in taken(name, step_s, compile_s)])


def names(ranges: Sequence[FastestFrom]) -> list[tuple[str, int]]:
    return [(r.result.cell.stack, r.from_steps) for r in ranges]


def winners(found: Costs, steps: int) -> list[str]:
    return [total.result.cell.stack for total in found.totals(steps) if total.wins]


def cell(stack: str) -> Cell:
    return Cell("mlp", stack, Mode.INFERENCE)


# ---- totals


def test_total_is_compiling_and_the_steps() -> None:
    found = costs(*THREE)
    (first, second, third) = found.totals(1000)
    assert [t.result.cell.stack for t in (first, second, third)] == ["script", "eager", "inductor"]
    assert [t.seconds for t in (first, second, third)] == pytest.approx([8.5, 10.0, 10.0])
    assert found.totals(10)[0].result.cell.stack == "eager"
    assert found.totals(10_000)[0].result.cell.stack == "inductor"
    assert all(total.span.low < total.seconds < total.span.high for total in found.totals(1000))


def test_a_speed_is_that_of_the_ratio() -> None:
    """`b` was in the last two of three groups, when the machine had become slower: by the medians of the steps it is slower."""
    trials = [*taken("a", (0.010, 0.010, 0.020), 0.0), *taken("b", (0.009, 0.009, 0.018), 0.0)[1:]]
    first, second = of(trials).totals(1000)
    assert first.result.step_s > second.result.step_s
    assert (first.result.cell.stack, second.result.cell.stack) == ("b", "a")
    assert first.seconds / second.seconds == pytest.approx(0.9)


def test_what_is_not_ok_is_in_no_ranking() -> None:
    failure = Failure(status=Status.UNSUPPORTED, phase=Phase.COMPILE, error="Unsupported", message="cannot")
    found = Costs(Ratios.of([*taken("eager", 0.010, 0.0), trial(None, "mlp", "no", failure=failure)]), "mlp", Mode.INFERENCE)
    assert [t.result.cell.stack for t in found.totals(10)] == ["eager"]
    assert names(found.ranges()) == [("eager", 1)]
    assert found.alone == []


# ---- winners


@pytest.mark.parametrize("steps", [1, 1000, 10**9])
def test_an_interval_that_contains_1_never_names_one_winner(steps: int) -> None:
    trials = [*taken("a", (0.0100, 0.0100), 0.0), *taken("b", (0.0098, 0.0106), 0.0), *taken("far", 0.0200, 0.0)]
    found = of(trials)
    ratio = ratios_of(trials).between(cell("a"), cell("b"))
    assert ratio.low < 1 < ratio.high
    assert {"a", "b"} <= set(winners(found, steps))


def test_one_that_is_shown_to_take_less_is_the_only_winner() -> None:
    assert winners(costs(("a", 0.0100, 0.0), ("b", 0.0105, 0.0)), 10_000) == ["a"]


def test_more_groups_find_the_winner() -> None:
    """The same noise: 6 % between processes."""
    few, many = (of([*taken("a", [0.0100] * n, 0.0), *taken("b", [0.0101, 0.0107] * (n // 2), 0.0)]) for n in (2, 4))
    assert winners(few, 10_000) == ["a", "b"]
    assert winners(many, 10_000) == ["a"]


def test_less_than_the_band_makes_no_winner() -> None:
    trials = [*taken("a", [0.01] * 4, 0.0), *taken("b", [0.0101] * 4, 0.0)]
    for band, found in ((0.02, ["a", "b"]), (0.005, ["a"])):
        ratios = replace(ratios_of(trials), band=band)
        ratios.__dict__["_variance"] = 1e-8  # it is known that processes hardly differ
        assert winners(Costs(ratios, "mlp", Mode.INFERENCE), 10**6) == found


def test_a_compile_time_is_known_within_a_tenth() -> None:
    assert winners(costs(("a", 0.010, 1.0), ("b", 0.010, 1.1)), 10) == ["a", "b"]
    assert winners(costs(("a", 0.010, 1.0), ("b", 0.010, 2.0)), 10) == ["a"]
    assert winners(costs(("a", 0.010, 1.0), ("b", 0.010, 2.0)), 10_000) == ["a", "b"]


def test_other_work_on_a_cpu_does_not_hide_a_winner() -> None:
    """Both members of a round had it beside them; what it does to a ratio is in its interval."""
    trials = [
        replace(t, measurement=replace(t.measurement, contention=replace(t.measurement.contention, wall_s=1.0, cpu_s=0.5)))
        for t in (*taken("eager", 0.010, 0.0), *taken("script", 0.008, 0.5))
    ]
    ratios = ratios_of(trials)
    assert not ratios.results[cell("script")].trust.speed_can_be_compared
    assert winners(Costs(ratios, "mlp", Mode.INFERENCE), 10_000) == ["script"]


# ---- ranges


def test_ranges_begin_where_the_totals_cross() -> None:
    # 0.5 / 0.002 = 250 steps and 4.5 / 0.003 = 1500 steps are a draw
    found = names(costs(*THREE).ranges())
    assert [name for name, _ in found] == ["eager", "script", "inductor"]
    assert [steps for _, steps in found] == [1, pytest.approx(250, abs=1), pytest.approx(1500, abs=1)]
    assert costs().ranges() == []
    assert names(costs(("a", 0.01, 0.0), ("worse", 0.02, 1.0)).ranges()) == [("a", 1)]


def test_one_that_compiles_as_fast_and_runs_faster_is_the_first() -> None:
    assert names(costs(("a", 0.010, 1.000), ("b", 0.005, 1.001)).ranges()) == [("b", 1)]


def test_a_range_begins_only_where_the_next_one_is_shown_to_be_faster() -> None:
    trials = [*taken("eager", 0.0100, 0.0), *taken("b", (0.0098, 0.0101), 1.0)]
    assert ratios_of(trials).between(cell("b"), cell("eager")).value > 1
    assert names(of(trials).ranges()) == [("eager", 1)]
    assert [name for name, _ in names(of([*trials, *taken("c", 0.0050, 5.0)]).ranges())] == ["eager", "c"]


def test_a_range_has_an_interval() -> None:
    wide, narrow = (costs(("eager", 0.010, 0.0), ("c", step_s, 5.0)).ranges()[1] for step_s in (0.0095, 0.005))
    for found in (wide, narrow):
        assert found.earliest < found.from_steps < found.latest
    assert wide.latest / wide.from_steps > narrow.latest / narrow.from_steps


@settings(max_examples=cases(100))
@given(st.lists(st.tuples(st.floats(1e-4, 1.0), st.floats(0.0, 100.0)), min_size=1, max_size=6), st.integers(1, 10**6))
def test_the_stack_of_a_range_is_a_winner_in_it(figures: list[tuple[float, float]], steps: int) -> None:
    found = costs(*((f"s{i}", step_s, compile_s) for i, (step_s, compile_s) in enumerate(figures)))
    ranges = found.ranges()
    assert [r.from_steps for r in ranges] == sorted({r.from_steps for r in ranges})
    assert all(r.earliest <= r.from_steps <= r.latest for r in ranges)
    ruler = [r for r in ranges if r.from_steps <= steps][-1].result
    assert ruler.cell.stack in winners(found, steps)


def test_a_stack_takes_over_at_most_once() -> None:
    """Ratios of medians can go round in a circle: each of three is faster than the next one in most rounds."""
    rounds = [(1, 2, 3), (2, 3, 1), (3, 1, 2)] * 3 + [(1, 2, 3)]
    trials = taken("first", 0.010, 0.0)
    for i, stack in enumerate("abc"):
        for t in taken(stack, 0.001, 1.0):
            steps = [each[i] * 1e-3 for each in rounds for _ in range(10)]
            trials.append(replace(t, measurement=replace(t.measurement, step_s=tuple(steps))))
    ratios = ratios_of(trials)
    assert [ratios.between(cell(x), cell(y)).verdict for x, y in ("ab", "bc", "ca")] == ["faster"] * 3
    stacks = [name for name, _ in names(Costs(ratios, "mlp", Mode.INFERENCE).ranges())]
    assert stacks[0] == "first"
    assert len(set(stacks)) == len(stacks)


def test_warm_caches_change_the_choice() -> None:
    ratios = ratios_of([*taken("eager", 0.010, 0.0), *taken("inductor", 0.005, 5.0, warm_s=1.0)])
    cold, warm = (Costs(ratios, "mlp", Mode.INFERENCE, warm=warm) for warm in (False, True))
    assert winners(cold, 400) == ["eager"]
    assert winners(warm, 400) == ["inductor"]
    assert names(warm.ranges())[1] == ("inductor", pytest.approx(200, abs=1))


# ---- when compiling pays back


def test_compiling_pays_back_after_a_number_of_steps_with_bounds() -> None:
    ratios = ratios_of([*taken("eager", 0.010, 0.0), *taken("inductor", 0.005, 5.0)])
    paid = cost.break_even(ratios, cell("inductor"))
    assert paid.steps == pytest.approx(1000, abs=1)
    assert paid.earliest < 900 < 1100 < paid.latest
    assert str(paid) == f"pays back after {paid.steps:,} steps ({paid.earliest:,} to {paid.latest:,})"
    assert cost.break_even(ratios, cell("eager")) is None


@pytest.mark.parametrize(
    ("steps", "says"),
    [((0.0098, 0.0104), "not decided"), ((0.0100, 0.0100), "not decided"), ((0.0200, 0.0200), "never pays back")],
    ids=["undecided", "the same", "slower"],
)
def test_compiling_pays_back_only_where_the_program_is_shown_to_be_faster(steps: tuple[float, float], says: str) -> None:
    ratios = ratios_of([*taken("eager", 0.0100, 0.0), *taken("script", steps, 0.5)])
    paid = cost.break_even(ratios, cell("script"))
    assert (str(paid), paid.steps) == (says, None)


def test_without_a_ratio_nothing_is_known_of_break_even() -> None:
    alone = ratios_of([*taken("eager", 0.010, 0.0, group=None), *taken("script", 0.005, 0.5, group=None)])
    assert cost.break_even(alone, cell("script")) is None


def test_a_number_beyond_all_bounds_is_a_number() -> None:
    """A file that was written by hand may hold any."""
    ratios = ratios_of([*taken("eager", 0.010, 0.0), *taken("script", 0.005, 1e308)])
    assert cost.break_even(ratios, cell("script")).steps == cost.MOST_COUNTED_STEPS
    assert names(Costs(ratios, "mlp", Mode.INFERENCE).ranges()) == [("eager", 1), ("script", cost.MOST_COUNTED_STEPS)]
    assert str(BreakEven(decided=True)) == "never pays back"


# ---- what cannot be ranked


def test_stacks_that_were_measured_alone_are_not_ranked() -> None:
    found = of([*taken("eager", 0.010, 0.0, group=None), *taken("script", 0.001, 0.5, group=None)])
    assert (found.totals(1000), found.ranges()) == ([], [])
    assert found.alone == ["eager", "script"]


def test_one_that_was_measured_alone_leaves_the_others_ranked() -> None:
    trials = [*taken("alone", 0.001, 0.0, group=None), *taken("eager", 0.010, 0.0), *taken("script", 0.005, 0.0)]
    found = of(trials)
    assert winners(found, 1000) == ["script"]
    assert [t.result.cell.stack for t in found.totals(1000)] == ["script", "eager"]
    assert found.alone == ["alone"]


def test_the_only_stack_needs_no_other_beside_it() -> None:
    found = of(taken("eager", 0.010, 0.0, group=None))
    assert winners(found, 1000) == ["eager"]
