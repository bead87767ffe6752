"""A network's activity in one table: rates, irregularity, correlation, synchrony and rhythm of each population."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, final

import numpy as np

from rheobase.analysis.populations import chi, spectrum, synchrony
from rheobase.analysis.reading import positive, read_span
from rheobase.analysis.similarity import correlation
from rheobase.analysis.trains import cv, rate
from rheobase.engines.spikes import Spikes
from rheobase.errors import InputError, NotRecorded, nearest
from rheobase.run import NetworkRun, Run

if TYPE_CHECKING:
    import pandas

__all__ = ["NetworkStatistics", "PopulationStatistics", "network_statistics"]

_LEAST: Final = 5  # spikes of a neuron from which its CV is taken: fewer make it too small
_SMOOTH: Final = 5.0  # Hz, the width of the spectrum's frequencies, where the window is long enough


@final
@dataclass(frozen=True)
class PopulationStatistics:
    """The activity of a population in the window of a `NetworkStatistics`; nan where there is nothing to measure.

    Attributes
    ----------
    n : int
        Neurons.
    rate, rate_sd : float
        Mean and standard deviation of the neurons' rates in Hz, silent ones included.
    active : float
        Share of the neurons that fired at all.
    cv, cv_sd : float
        Mean and standard deviation of the CV of the interspike intervals, over neurons with 5 spikes or more.
    correlation : float
        Mean pairwise correlation of spike counts in `bin`, over pairs of a random sample.
    fano : float
        Variance over mean of the population's spike count in `fano_bin`: 1 for independent Poisson neurons.
    chi : float
        Golomb's synchrony measure of the counts in `bin`: 1 for identical neurons, 1/sqrt(n) for independent ones.
    peak : float
        Frequency in Hz at which the spectrum of the population's rate is largest.
    """

    n: int
    rate: float
    rate_sd: float
    active: float
    cv: float
    cv_sd: float
    correlation: float
    fano: float
    chi: float
    peak: float


@final
@dataclass(frozen=True, repr=False)
class NetworkStatistics(Mapping[str, PopulationStatistics]):
    """Statistics by population: ``s["E"].rate``; printed as a table.

    Attributes
    ----------
    populations : mapping
        Name -> `PopulationStatistics`.
    start, until : float
        The window in ms.
    bin, fano_bin : float
        Widths of the bins in ms, for correlation and chi, and for the Fano factor.
    sample, seed : int
        How many neurons of a population the correlation is taken over, and the seed of their choice.
    """

    populations: Mapping[str, PopulationStatistics]
    start: float
    until: float
    bin: float
    fano_bin: float
    sample: int
    seed: int

    def __getitem__(self, name: str) -> PopulationStatistics:
        if name not in self.populations:
            raise NotRecorded(
                f"there is no population '{name}'.{nearest(name, self.populations)}"
                f" There are: {', '.join(self.populations)}"
            )
        return self.populations[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.populations)

    def __len__(self) -> int:
        return len(self.populations)

    def to_pandas(self) -> pandas.DataFrame:
        """Return a table with a row for each population and a column for each statistic. Needs pandas."""
        try:
            import pandas
        except ImportError:
            raise ImportError("to_pandas() needs pandas: pip install pandas") from None
        rows = {name: dataclasses.asdict(p) for name, p in self.populations.items()}
        return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("population")

    def __repr__(self) -> str:
        head = ["", "n", "rate (Hz)", "active", "CV", "corr.", f"Fano {self.fano_bin:g} ms", "chi", "peak (Hz)"]
        rows = [[name, *_cells(p)] for name, p in self.populations.items()]
        widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
        lines = [
            "  ".join([f"{row[0]:<{widths[0]}}", *(f"{c:>{w}}" for c, w in zip(row[1:], widths[1:], strict=True))])
            for row in [head, *rows]
        ]
        return "\n".join([f"Statistics from {self.start:g} to {self.until:g} ms", *(line.rstrip() for line in lines)])


def _cells(p: PopulationStatistics) -> list[str]:
    def show(value: float, form: str) -> str:
        return "-" if math.isnan(value) else format(value, form)

    rates = f"{p.rate:.2f} ± {p.rate_sd:.2f}"
    irregular = "-" if math.isnan(p.cv) else f"{p.cv:.2f} ± {p.cv_sd:.2f}"
    return [
        str(p.n),
        rates,
        f"{100 * p.active:.0f} %",
        irregular,
        show(p.correlation, ".4f"),
        show(p.fano, ".2f"),
        show(p.chi, ".3f"),
        show(p.peak, ".0f"),
    ]


def network_statistics(
    run: NetworkRun,
    start: float = 0.0,
    until: float | None = None,
    *,
    bin: float = 5.0,
    fano_bin: float = 3.0,
    sample: int = 1000,
    seed: int = 0,
) -> NetworkStatistics:
    """Return the statistics of every population of neurons in a run: a frozen value that prints as a table.

    Parameters
    ----------
    run : NetworkRun
        What ``simulate(net, ...)`` returned. Its sources of spikes are left out, and
        so are neurons whose spikes were not recorded.
    start, until : float
        The window (start, until] in ms; leave out the first 100 to 500 ms, in which a network finds its state. By
        default until the end.
    bin : float
        Width in ms of the bins of correlation and chi.
    fano_bin : float
        Width in ms of the bins of the population's count, whose Fano factor is a measure of synchrony.
    sample, seed : int
        The correlation is taken over so many neurons of each population, drawn at random with this seed.

    Raises
    ------
    InputError
        If the window is empty, lies outside the run, or holds less than two bins.

    Notes
    -----
    The statistics are those of Potjans & Diesmann (2014), Cereb. Cortex 24:785, and Brunel (2000). The
    spectrum is Welch's, with bins of 1 ms and frequencies 5 Hz apart, or as fine as the window allows.

    Examples
    --------
    >>> from rheobase.networks import cuba
    >>> from rheobase.simulation import simulate
    >>> s = network_statistics(simulate(cuba(200), until="200 ms", dt="0.1 ms", seed=1), start=50)
    >>> [*s], s["E"].n, s["E"].active <= 1
    (['E', 'I'], 160, True)
    """
    if not isinstance(run, NetworkRun):
        raise InputError(f"statistics are taken of the run of a network, not of {type(run).__name__}")
    end = run.until if until is None else float(until)
    read_span(end, start)
    if start < 0 or end > run.until + 1e-9:
        raise InputError(f"the window from {start:g} to {end:g} ms leaves the run, which is from 0 to {run.until:g} ms")
    positive("bin", bin)
    positive("fano_bin", fano_bin)
    found = {
        name: _measure(part.spikes, float(start), end, (bin, fano_bin), (sample, seed))
        for name, part in run.populations.items()
        if isinstance(part, Run) and (part.spikes.kept is None or len(part.spikes.kept))
    }
    return NetworkStatistics(MappingProxyType(found), float(start), end, bin, fano_bin, sample, seed)


def _measure(
    spikes: Spikes, start: float, until: float, bins: tuple[float, float], draw: tuple[int, int]
) -> PopulationStatistics:
    rates = np.atleast_1d(rate(spikes, until, start))
    spread = np.asarray(cv(spikes, start, until))[rates * (until - start) * 1e-3 >= _LEAST - 0.5]
    bin, fano_bin = bins
    together = nan = float("nan")
    sync = nan
    n = spikes.n if spikes.kept is None else len(spikes.kept)
    if n > 1:
        together = correlation(spikes, bin, until, start, sample=draw[0], seed=draw[1])
        sync = chi(spikes, bin, until, start)
    return PopulationStatistics(
        n=n,
        rate=float(rates.mean()),
        rate_sd=float(rates.std()),
        active=float((rates > 0).mean()),
        cv=float(spread.mean()) if spread.size else nan,
        cv_sd=float(spread.std()) if spread.size else nan,
        correlation=together,
        fano=synchrony(spikes, fano_bin, until, start),
        chi=sync,
        peak=_find_peak(spikes, start, until),
    )


def _find_peak(spikes: Spikes, start: float, until: float) -> float:
    """Return the frequency of the largest power above the first two frequencies, which hold slow drifts."""
    segments = max(1, round((until - start) * 1e-3 * _SMOOTH * 2) - 1)
    if until - start < 20 or not np.any((spikes.times > start) & (spikes.times <= until)):
        return float("nan")
    frequency, power = spectrum(spikes, until, 1.0, start, segments, method="welch")
    inside = frequency >= min(2 * frequency[0], frequency[-1])
    return float(frequency[inside][np.argmax(power[inside])])
