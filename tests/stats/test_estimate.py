from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.errors import StatsError
from grader.stats.estimate import quantile, summary

TIMES = st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=40)


@given(TIMES)
def test_quantiles_agree_with_the_standard_library(values: list[float]) -> None:
    assert quantile(values, 0.5) == pytest.approx(statistics.median(values))
    assert (quantile(values, 0), quantile(values, 1)) == (min(values), max(values))
    if len(values) > 1:
        twentieths = statistics.quantiles(values, n=20, method="inclusive")
        found = summary(values)
        assert [found.p5, found.p95] == pytest.approx([twentieths[0], twentieths[-1]])
        assert found.n == len(values)


def test_no_values_are_refused() -> None:
    with pytest.raises(StatsError):
        summary([])
