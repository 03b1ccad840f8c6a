"""The statistics of Observation/$stats on plain numbers.

https://terminology.hl7.org/CodeSystem-observation-statistics.html, the codes that R4 lists in
https://hl7.org/fhir/R4/valueset-observation-statistics.html
"""

from collections.abc import Callable, Mapping, Sequence
from math import sqrt
from statistics import fmean, median, pvariance, quantiles, stdev, variance

Points = Sequence[tuple[float | None, float]]  # (hours since some instant, None where no time is known; value)


def _quantile(parts: int, number: int) -> Callable[[Points], float | None]:
    """The upper bound of the n-th of `parts` equal parts, interpolated between the values."""

    def find(points: Points) -> float | None:
        values = [value for _, value in points]
        return values[0] if len(values) == 1 else quantiles(values, n=parts, method="inclusive")[number - 1]

    return find


def _of_values(compute: Callable[[list[float]], float], least: int = 1) -> Callable[[Points], float | None]:
    def find(points: Points) -> float | None:
        values = [value for _, value in points]
        return compute(values) if len(values) >= least else None

    return find


def _moment(values: list[float], order: int) -> float:
    mean = fmean(values)
    return fmean([(value - mean) ** order for value in values])


def _skew(values: list[float]) -> float:
    """The adjusted Fisher-Pearson coefficient, as spreadsheets give it."""
    n, deviation = len(values), sqrt(pvariance(values))
    return sqrt(n * (n - 1)) / (n - 2) * _moment(values, 3) / deviation**3 if deviation else 0.0


def _kurtosis(values: list[float]) -> float:
    """The excess kurtosis of the sample."""
    n, squared = len(values), pvariance(values)
    if not squared:
        return 0.0
    excess = _moment(values, 4) / squared**2 - 3
    return (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * excess + 6)


def _slope(points: Points) -> float | None:
    """The slope of the line of least squares, per hour."""
    timed = [(at, value) for at, value in points if at is not None]
    if len({at for at, _ in timed}) < 2:
        return None
    mean_at, mean = fmean([at for at, _ in timed]), fmean([value for _, value in timed])
    spread = sum((at - mean_at) ** 2 for at, _ in timed)
    return sum((at - mean_at) * (value - mean) for at, value in timed) / spread


def _quartile_deviation(points: Points) -> float | None:
    lower, upper = _quantile(4, 1)(points), _quantile(4, 3)(points)
    return None if lower is None or upper is None else (upper - lower) / 2


# Code -> (display, how to find it; None where there are too few values for it).
STATISTICS: Mapping[str, tuple[str, Callable[[Points], float | None]]] = {
    "average": ("Average", _of_values(fmean)),
    "maximum": ("Maximum", _of_values(max)),
    "minimum": ("Minimum", _of_values(min)),
    "count": ("Count", _of_values(len)),
    "total-count": ("Total Count", _of_values(len)),
    "median": ("Median", _of_values(median)),
    "std-dev": ("Standard Deviation", _of_values(stdev, 2)),
    "sum": ("Sum", _of_values(sum)),
    "variance": ("Variance", _of_values(variance, 2)),
    "20-percent": ("20th Percentile", _quantile(5, 1)),
    "80-percent": ("80th Percentile", _quantile(5, 4)),
    "4-lower": ("Lower Quartile", _quantile(4, 1)),
    "4-upper": ("Upper Quartile", _quantile(4, 3)),
    "4-dev": ("Quartile Deviation", _quartile_deviation),
    "5-1": ("1st Quintile", _quantile(5, 1)),
    "5-2": ("2nd Quintile", _quantile(5, 2)),
    "5-3": ("3rd Quintile", _quantile(5, 3)),
    "5-4": ("4th Quintile", _quantile(5, 4)),
    "skew": ("Skew", _of_values(_skew, 3)),
    "kurtosis": ("Kurtosis", _of_values(_kurtosis, 4)),
    "regression": ("Regression", _slope),
}
NUMBERS = ("count", "total-count", "skew", "kurtosis")  # plain numbers, whatever the unit of the values
OTHER_UNIT = ("variance", "regression")  # its square, and per hour: told without a unit
