"""Turns, warm-up and percentiles with a clock that we move, against NumPy and the standard library."""

import itertools
import statistics
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from invisp_deploy.benchmark.timing import Contender, Turn, Until, paired_ratio, percentiles, take_turns, warm_up
from invisp_deploy.runtimes.tensorrt.contexts import Times


class Clock:
    """Seconds that only calls and pauses let pass."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses = 0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds
        self.pauses += 1

    def taking(self, durations: Iterator[float], seen: list[str], name: str) -> Callable[[], None]:
        def call() -> None:
            seen.append(name)
            self.now += next(durations)

        return call


def test_percentiles_are_numpys_of_every_value() -> None:
    seconds = np.random.default_rng(0).lognormal(-4, 1, 57).tolist()
    seconds.append(9.0)
    found = percentiles(seconds)
    expected = np.quantile(np.array(seconds) * 1e3, (0.5, 0.9, 0.99, 1.0))
    np.testing.assert_allclose([found[name] for name in ("p50_ms", "p90_ms", "p99_ms", "max_ms")], expected)
    assert found["max_ms"] == 9000, "an outlier stays"


def test_every_round_has_every_subject_once_and_the_order_changes() -> None:
    clock, seen = Clock(), []
    subjects = [Contender(clock.taking(itertools.repeat(0.2), seen, name)) for name in "abc"]
    turns = take_turns(subjects, [0.2] * 3, Until(8), clock, clock.pause)
    rounds = [tuple(seen[start : start + 3]) for start in range(0, 24, 3)]
    assert all(sorted(one) == ["a", "b", "c"] for one in rounds)
    assert len(set(rounds)) > 2, "nobody always follows the same one"
    assert [len(one) for one in turns] == [8, 8, 8]
    assert clock.pauses == 24


def test_times_belong_to_their_subject_and_their_round() -> None:
    clock, seen = Clock(), []
    slow, fast = itertools.count(1.0), itertools.count(0.1, 0.1)
    subjects = [Contender(clock.taking(slow, seen, "slow")), Contender(clock.taking(fast, seen, "fast"))]
    one, other = take_turns(subjects, [1.0, 0.1], Until(3), clock, clock.pause)
    assert [turn.seconds for turn in one] == [pytest.approx((float(i),)) for i in (1, 2, 3)]
    assert [turn.seconds for turn in other] == [pytest.approx((i / 10,)) for i in (1, 2, 3)]


@pytest.mark.parametrize(("expected", "calls"), [(1.0, 1), (0.02, 3), (1e-5, 20)])
def test_a_turn_is_as_many_calls_as_fill_it(expected: float, calls: int) -> None:
    clock, seen = Clock(), []
    subject = Contender(clock.taking(itertools.repeat(expected), seen, "a"))
    (turns,) = take_turns([subject], [expected], Until(2), clock, clock.pause)
    assert [len(turn.seconds) for turn in turns] == [calls, calls]


def test_parts_come_from_a_further_call() -> None:
    clock, seen = Clock(), []
    parts = Times(1, 2, 3)
    subject = Contender(clock.taking(itertools.repeat(1.0), seen, "a"), lambda: parts)
    (turns,) = take_turns([subject], [1.0], Until(2), clock, clock.pause)
    assert [turn.parts for turn in turns] == [parts, parts]
    assert seen == ["a", "a"]


def test_a_duration_ends_after_its_seconds_and_three_rounds() -> None:
    clock, seen = Clock(), []
    subject = Contender(clock.taking(itertools.repeat(1.0), seen, "a"))
    assert len(take_turns([subject], [1.0], Until(duration=0.5), clock, clock.pause)[0]) == 3
    assert len(take_turns([subject], [1.0], Until(duration=7.5), clock, clock.pause)[0]) == 8


def test_a_warm_up_ends_when_two_windows_agree() -> None:
    clock, seen = Clock(), []
    durations = iter([5.0, 3.0, 1.0, 1.0, 1.01, 1.02, 9.0])
    done = warm_up(clock.taking(durations, seen, "a"), clock)
    assert (done.calls, done.steady) == (6, True)
    assert done.median == pytest.approx(statistics.median([1.01, 1.02]))


def test_a_window_of_short_calls_takes_a_tenth_of_a_second() -> None:
    clock, seen = Clock(), []
    done = warm_up(clock.taking(itertools.repeat(0.001), seen, "a"), clock)
    assert done.steady
    assert done.calls == pytest.approx(200, abs=2)


def test_a_warm_up_that_never_settles_ends_and_says_so() -> None:
    clock, seen = Clock(), []
    grows = (0.05 * 1.5**i for i in itertools.count())
    done = warm_up(clock.taking(grows, seen, "a"), clock)
    assert not done.steady
    assert clock.now > 10, "it ends by its time"


def test_a_ratio_is_paired_by_round() -> None:
    base = [Turn((one,)) for one in (2.0, 4.0, 8.0)]
    twice = [Turn((one, one, 99.0)) for one in (1.0, 2.0, 4.0)]
    assert paired_ratio(base, twice) == pytest.approx({"median": 2, "p10": 2, "p90": 2}), "drift cancels"
    drifting = [Turn((one,)) for one in (1.0, 1.0, 1.0)]
    low, middle, high = np.percentile([2, 4, 8], (10, 50, 90))
    assert paired_ratio(base, drifting) == pytest.approx({"median": middle, "p10": low, "p90": high})
