"""Runs as tables in CSV and Parquet files, and back: population, neuron, time; or time and a column for each neuron."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from rheobase.errors import InputError, nearest
from rheobase.formats.content import Content, Group, need, writing
from rheobase.formats.guard import MOST_BYTES, check_size

__all__ = ["from_csv", "from_frame", "from_parquet", "is_frame", "to_csv", "to_parquet"]

_MOST_TEXT: Final = 512 << 20  # bytes of a CSV file, which take six times as much while they are read


def _spike_columns(content: Content) -> dict[str, np.ndarray]:
    names = np.array([g.name for g in content.groups], dtype=object)
    which = np.repeat(np.arange(len(names)), [len(g.times) for g in content.groups])
    times = np.concatenate([np.empty(0), *(g.times for g in content.groups)])
    neurons = np.concatenate([np.empty(0, dtype=np.int64), *(g.neurons for g in content.groups)])
    order = np.argsort(times, kind="stable")
    return {"population": names[which[order]], "neuron": neurons[order], "time": times[order]}


def _trace_columns(content: Content, state: str) -> tuple[dict[str, np.ndarray], str]:
    """Return time and a column for each neuron, named ``E[3] v (mV)``."""
    chosen = [g for g in content.groups if state in g.traces]
    if not chosen:
        known = sorted({s for g in content.groups for s in g.traces})
        raise InputError(
            f"'{state:.60}' was not recorded.{nearest(state, known)} There are: {', '.join(known) or 'none'}"
        )
    first = chosen[0]
    if any(not np.array_equal(g.t, first.t) for g in chosen):
        raise InputError(
            f"'{state}' was recorded at different times in {', '.join(g.name for g in chosen)}; write them apart"
        )
    unit = first.units.get(state, "")
    columns = {"time": first.t}
    for g in chosen:
        for row, values in enumerate(g.traces[state]):
            who = str(int(g.whose[row])) if len(g.whose) else "mean"
            columns[f"{g.name}[{who}] {state}" + (f" ({unit})" if unit else "")] = values
    return columns, unit


def to_csv(content: Content, path: str | Path, state: str | None, overwrite: bool) -> Path:
    """Write spikes or the traces of one state; return the path."""
    out = writing(path, overwrite)
    columns = _spike_columns(content) if state is None else _trace_columns(content, state)[0]
    head = [f"{name} (ms)" if name == "time" else name for name in columns]
    try:
        with out.open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(head)
            kinds = [x.dtype.kind for x in columns.values()]
            for row in zip(*columns.values(), strict=True):
                rows.writerow([repr(float(x)) if k == "f" else x for x, k in zip(row, kinds, strict=True)])
    except OSError as error:
        raise InputError(f"cannot write {out}: {error.strerror or error}") from None
    return out


def to_parquet(content: Content, path: str | Path, state: str | None, overwrite: bool) -> Path:
    """Write spikes or the traces of one state; return the path."""
    pa, pq = need("pyarrow", "to_parquet()"), need("pyarrow.parquet", "to_parquet()")
    out = writing(path, overwrite)
    columns = _spike_columns(content) if state is None else _trace_columns(content, state)[0]
    arrays = {}
    for name, x in columns.items():
        label = f"{name} (ms)" if name == "time" else name
        arrays[label] = pa.array(x.tolist(), pa.string()) if x.dtype == object else pa.array(x)
    try:
        pq.write_table(pa.table(arrays), out)
    except OSError as error:
        raise InputError(f"cannot write {out}: {error}") from None
    return out


def _name_of(label: str) -> tuple[str, str]:
    """Return (name, unit) of a column."""
    name, _, rest = label.strip().partition(" (")
    return name, rest.removesuffix(")") if rest else ""


def from_columns(columns: dict[str, np.ndarray], place: str) -> Content:
    """Return spikes, or traces, of a table.

    Raises
    ------
    InputError
        If the columns are neither.
    """
    named = {_name_of(label)[0]: x for label, x in columns.items()}
    if "time" not in named:
        raise InputError(
            f"{place} has the columns {', '.join(columns)[:200]}; wanted population, neuron, time, or time and values"
        )
    unit = next(_name_of(label)[1] for label in columns if _name_of(label)[0] == "time")
    factor = {"": 1.0, "ms": 1.0, "s": 1000.0, "us": 1e-3}.get(unit)
    if factor is None:
        raise InputError(f"{place}: times in {unit!r:.40}; wanted ms or s")
    times = _numbers(named["time"], f"{place}: time") * factor
    if "neuron" in named:
        return _spikes(named, times, place)
    groups: dict[str, dict[str, Any]] = {}
    for label, x in columns.items():
        name, own = _name_of(label)
        if name == "time":
            continue
        before, _, state = name.partition("] ")
        population, _, who = before.partition("[") if state else ("table", "", name)
        g = groups.setdefault(population, {"rows": {}, "units": {}, "whose": {}})
        g["rows"].setdefault(state or "values", []).append(_numbers(x, f"{place}: {label}"))
        g["units"][state or "values"] = own
        g["whose"].setdefault(state or "values", []).append(
            int(who) if who.isdigit() else len(g["rows"][state or "values"]) - 1
        )
    made = []
    none = np.empty(0, dtype=np.int64)
    for name, g in groups.items():
        whose = np.array(next(iter(g["whose"].values())), dtype=np.int64)
        traces = {s: np.array(x) for s, x in g["rows"].items()}
        made.append(Group(name, int(whose.max()) + 1, np.empty(0), none, none, times, traces, g["units"], whose))
    if not made:
        raise InputError(f"{place} has times and nothing else")
    return Content(tuple(made), float(times.max()) if len(times) else 0.0)


def _spikes(named: dict[str, np.ndarray], times: np.ndarray, place: str) -> Content:
    neurons = _numbers(named["neuron"], f"{place}: neuron")
    if np.any(neurons != np.floor(neurons)) or np.any(neurons < 0) or np.any(neurons >= 2**31):
        raise InputError(f"{place}: neurons are numbered 0, 1, 2, ...; there are others")
    labels = np.asarray(named.get("population", np.full(len(times), "table", dtype=object)), dtype=object)
    groups = []
    none = np.empty(0, dtype=np.int64)
    for name in dict.fromkeys(labels.tolist()):
        here = labels == name
        t, who = times[here], neurons[here].astype(np.int64)
        order = np.lexsort((who, t))
        groups.append(Group(str(name), int(who.max()) + 1, t[order], who[order], None, np.empty(0), {}, {}, none))
    return Content(tuple(groups), float(times.max()) if len(times) else 0.0)


def _numbers(values: np.ndarray, place: str) -> np.ndarray:
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"{place} holds something that is no number") from None
    if not np.isfinite(array).all():
        raise InputError(f"{place} is NaN or infinite at row {int(np.flatnonzero(~np.isfinite(array))[0])}")
    return array


def from_csv(path: str | Path) -> Content:
    """Return what `to_csv` wrote, or any CSV file with such columns.

    Raises
    ------
    InputError
        If the file is missing, or a line has another number of columns or no numbers; the line is named.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        check_size((size,), 1, str(path), _MOST_TEXT)
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
            columns = _read_rows(csv.reader(file), path)
    except FileNotFoundError:
        raise InputError(f"there is no file {path}") from None
    except (OSError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as a table: {error}") from None
    return from_columns(columns, str(path))


def _read_rows(rows: Iterator[list[str]], path: Path) -> dict[str, np.ndarray]:
    head = next(rows, None)
    if not head or len(head) != len(set(head)):
        raise InputError(f"{path} has no line of different column names at its top")
    texts: list[list[str]] = [[] for _ in head]
    for number, row in enumerate(rows, 2):
        if not row:
            continue
        if len(row) != len(head):
            raise InputError(f"{path}, line {number}: {len(row)} columns where the head has {len(head)}")
        for column, x in zip(texts, row, strict=True):
            column.append(x)
    out: dict[str, np.ndarray] = {}
    for name, column in zip(head, texts, strict=True):
        if name.strip() == "population":
            out[name.strip()] = np.array(column, dtype=object)
            continue
        try:
            out[name.strip()] = np.array(column, dtype=float)
        except ValueError:
            bad = next(i for i, x in enumerate(column) if not _is_number(x))
            raise InputError(f"{path}, line {bad + 2}: '{column[bad][:60]}' is no number ({name.strip()})") from None
    return out


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def from_parquet(path: str | Path) -> Content:
    """Return what `to_parquet` wrote, or any Parquet file with such columns; what it declares is looked at first."""
    pq = need("pyarrow.parquet", "reading Parquet")
    path = Path(path)
    if not path.exists():
        raise InputError(f"there is no file {path}")
    try:
        with pq.ParquetFile(path) as file:
            meta = file.metadata
            check_size((meta.num_rows, meta.num_columns), 8, str(path))
            declared = sum(meta.row_group(i).total_byte_size for i in range(meta.num_row_groups))
            check_size((max(declared, 0),), 1, str(path), MOST_BYTES)
            table = file.read()
    except InputError:
        raise
    except Exception as error:  # pyarrow's errors have several bases
        raise InputError(f"{path} is truncated or no Parquet file: {str(error)[:160]}") from None
    columns = {}
    for name in table.column_names:
        x = table.column(name).to_pylist() if _name_of(name)[0] == "population" else table.column(name).to_numpy()
        columns[name] = np.asarray(x, dtype=object) if isinstance(x, list) else x
    return from_columns(columns, str(path))


def is_frame(thing: Any) -> bool:
    """Return whether it is a pandas DataFrame, without importing pandas."""
    return type(thing).__name__ == "DataFrame" and hasattr(thing, "columns")


def from_frame(frame: Any) -> Content:
    """Return the spikes or traces of a DataFrame."""
    return from_columns({str(c): frame[c].to_numpy() for c in frame.columns}, "the DataFrame")
