"""Several processes that run one network: found, made sure of, and ended together.

``mpirun -n N python script.py`` starts N processes, the ranks, which all run the same script. What only one network
needs, they do together; everything before, between and after, each does by itself, with the same results. So calls
that need all ranks must meet: each meeting says what it is for, and ranks that are not at the same place get an error
instead of waiting forever.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import platform
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from types import TracebackType
from typing import Any, Final, final

import numpy as np

from rheobase.errors import InputError

__all__ = ["World", "agree_on_seed", "find_world", "stand_by"]

#: What launchers call the number of processes: Open MPI, MPICH and its relatives, MVAPICH, Slurm with PMIx.
_SIZES: Final = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")
_SWITCH: Final = "RHEOBASE_MPI"
_MARK: Final = "RHEOBASE_RANK_PROCESS"  # the process that is a rank; those that it starts are none
_OFF: Final = ("0", "off", "no", "false")
_END: Final = "the end of the script"
_EVERYWHERE: Final = "_is_everywhere"  # marks errors that all ranks have


@lru_cache(maxsize=1)
def stand_by() -> None:
    """See to it that an error that nobody catches ends all ranks, and that none leaves while others wait for it.

    Called where rheobase is imported, so that a rank that fails before it has met the others is missed by them.
    """
    before, process = sys.excepthook, os.getpid()
    if os.environ.setdefault(_MARK, str(process)) != str(process):
        return

    def look() -> World | None:
        try:
            return find_world() if os.getpid() == process else None
        except InputError:
            return None  # said already, or each process is by itself

    def end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        before(kind, error, trace)
        world = look()
        if world is not None:
            world.abort()

    def leave() -> None:
        world = look()
        if world is not None:
            world.leave()

    sys.excepthook = end
    atexit.register(leave)


def find_world() -> World | None:
    """Return the ranks that this process belongs to, None if it is alone.

    mpi4py is imported only where a launcher of MPI has left its traces in the environment, or the script has imported
    it. With ``RHEOBASE_MPI=off`` in the environment every process is alone.

    Raises
    ------
    InputError
        If there should be several ranks, but mpi4py is missing, or sees one only.
    """
    if os.environ.get(_SWITCH, "").lower() in _OFF or os.environ.get(_MARK, str(os.getpid())) != str(os.getpid()):
        return None  # workers that a rank has started are no ranks
    found = [os.environ[name] for name in _SIZES if os.environ.get(name, "").isdigit()]
    told = int(found[0]) if found else None
    if told == 1 or (told is None and "PMIX_RANK" not in os.environ and "mpi4py.MPI" not in sys.modules):
        return None
    return _open_world(told)


@lru_cache(maxsize=1)
def _open_world(told: int | None) -> World | None:
    count = f"{told} processes" if told else "several processes"
    advice = f"or set {_SWITCH}=off, if each process is to run by itself"
    try:
        from mpi4py import MPI
    except ImportError:
        raise InputError(
            f"this is one of {count} that an MPI launcher has started, but mpi4py is not installed:"
            f" pip install 'rheobase[mpi]'; {advice}"
        ) from None
    except RuntimeError as error:
        raise InputError(
            f"this is one of {count} that an MPI launcher has started, but mpi4py finds no MPI library"
            f" ({str(error).splitlines()[0]:.120}); install the one that the launcher belongs to, for example"
            f" pip install mpich; {advice}"
        ) from None
    size = MPI.COMM_WORLD.Get_size()
    if told is not None and size != told:
        library = MPI.Get_library_version().replace("\0", "").split("\n")[0].split(",")[0]
        raise InputError(
            f"the launcher has started {told} processes, but mpi4py sees {size}: it uses '{' '.join(library.split())}',"
            f" and the launcher belongs to another MPI; start the script by the mpirun of that one; {advice}"
        )
    return World(MPI) if size > 1 else None


def agree_on_seed(seed: int, meet: bool) -> int:
    """Return a seed that is the same on all ranks, in place of one that was drawn.

    Either the ranks meet, and take the first one's; or they count such calls, from a number drawn when they first met.
    """
    world = find_world()
    if world is None:
        return seed
    return int(world.agree("a seed", {}, seed)[0]) if meet else world.next_seed()


@final
class World:
    """All ranks: `rank` of `size` is this one, and `near` of them are on this machine."""

    def __init__(self, mpi: Any) -> None:
        self._mpi = mpi
        self.comm = mpi.COMM_WORLD.Dup()  # so that no message of the script's can be taken for ours
        self.rank, self.size = int(self.comm.Get_rank()), int(self.comm.Get_size())
        near = self.comm.Split_type(mpi.COMM_TYPE_SHARED)
        self.near = int(near.Get_size())
        near.Free()
        self.int32 = mpi.INT32_T
        self._seed = int(self.comm.bcast(secrets.randbits(32)))
        stand_by()

    # ------------------------------------------------------------------ meeting
    def agree(self, call: str, facts: Mapping[str, str], value: Any = None) -> list[Any]:
        """Return the `value` of each rank, if all ranks make the same call with the same facts.

        Raises
        ------
        InputError
            On every rank, if they do not.
        """
        met = self.comm.allgather(((call, {**_versions(), **facts}), value))
        first, known = met[0][0]
        for rank, ((other, theirs), _) in enumerate(met):
            if other != first:
                raise InputError(
                    f"rank 0 has come to {first}, but rank {rank} to {other}; all ranks must run the same script and"
                    " make the same calls, so ask for a rank only around what prints or draws"
                )
            differ = [k for k in {**known, **theirs} if known.get(k) != theirs.get(k)]
            if differ:
                told = "; ".join(f"{k}: {known.get(k, 'none')} and {theirs.get(k, 'none')}" for k in differ)
                raise InputError(f"{first}: rank 0 and rank {rank} differ in {told}")
        return [v for _, v in met]

    @contextmanager
    def together(self) -> Iterator[None]:
        """Carry out what needs no other rank; if it fails anywhere, it is an error everywhere."""
        own: Exception | None = None
        try:
            yield
        except Exception as error:
            own = error
        self.settle(own)

    def settle(self, own: Exception | None) -> None:
        """Raise this rank's error, or, if it has none, that of another."""
        told = self.comm.allgather(None if own is None else f"{type(own).__name__}: {own}")
        for rank, text in enumerate(told):
            if text is not None:
                raise self.everywhere(own or InputError(f"rank {rank} has stopped ({text})"))

    @staticmethod
    def everywhere(error: Exception) -> Exception:
        """Return an error that every rank raises now."""
        error.__dict__[_EVERYWHERE] = True
        return error

    @contextmanager
    def nobody_waits(self) -> Iterator[None]:
        """Carry out what needs the other ranks; an error that they do not know of ends them, too."""
        try:
            yield
        except BaseException as error:
            if not error.__dict__.get(_EVERYWHERE):
                sys.excepthook(type(error), error, error.__traceback__)
            raise

    def next_seed(self) -> int:
        """Return the next of a row of seeds, the same on all ranks."""
        self._seed = (self._seed * 1664525 + 1013904223) % (1 << 32)
        return self._seed

    # ------------------------------------------------------------------ numbers
    def smallest(self, *numbers: int) -> tuple[int, ...]:
        """Return the smallest of each number over the ranks."""
        mine, out = np.array(numbers, dtype=np.int64), np.empty(len(numbers), dtype=np.int64)
        self.comm.Allreduce(mine, out, op=self._mpi.MIN)
        return tuple(out.tolist())

    def largest(self, *numbers: int) -> tuple[int, ...]:
        """Return the largest of each number over the ranks."""
        return tuple(-x for x in self.smallest(*(-x for x in numbers)))

    def join(self, own: np.ndarray, axis: int = 0) -> np.ndarray:
        """Return the arrays of all ranks, one behind the other."""
        return np.concatenate(self.gather(own), axis=axis)

    def gather(self, own: Any) -> list[Any]:
        """Return what each rank has."""
        return list(self.comm.allgather(own))

    def hand_over(self, pieces: Sequence[Any]) -> list[Any]:
        """Give each rank its piece; return what the ranks have for this one."""
        return list(self.comm.alltoall(pieces))

    def functions(self, later: bool) -> Direct | None:
        """Return MPI's own functions for gathering integers, which return at once if `later`; None if not found."""
        try:
            return Direct(self._mpi, self.comm, later)
        except (AttributeError, OSError):
            return None

    # ------------------------------------------------------------------ the end
    def abort(self) -> None:
        """End all ranks."""
        print(f"rheobase: rank {self.rank} of {self.size} ends all ranks", file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
        self.comm.Abort(1)

    def leave(self) -> None:
        """Wait for all ranks at the end of the script; whoever waits for this one elsewhere is told."""
        while any(call != _END for (call, _), _ in self.comm.allgather(((_END, {}), None))):
            pass


@final
class Direct:
    """MPI_Allgather, or MPI_Iallgather and MPI_Wait, for compiled code: their addresses, and arguments as words."""

    def __init__(self, mpi: Any, comm: Any, later: bool) -> None:
        library = ctypes.CDLL(mpi.__file__)  # names are looked for in what it needs, too: the library of MPI
        begin, wait = library.MPI_Iallgather if later else library.MPI_Allgather, library.MPI_Wait
        self._calls = [begin, wait] if later else [begin]
        addresses = [ctypes.cast(f, ctypes.c_void_p).value or 0 for f in self._calls]
        self.addresses = [*addresses, 0][:2]
        self._kind, self._comm = (_as_word(mpi._handleof(x)) for x in (mpi.INT32_T, comm))

    def start(self, send: int, got: int, room: int, request: int) -> list[int]:
        """Return the words that begin a message of `room` integers, from and to these addresses."""
        return [send, room, self._kind, got, room, self._kind, self._comm, request]

    def begin(self, words: np.ndarray) -> None:
        """Begin a message, from Python."""
        self._call(0, words)

    def wait(self, words: np.ndarray) -> None:
        """Wait for a message, from Python."""
        if len(self._calls) > 1:
            self._call(1, words)

    def _call(self, which: int, words: np.ndarray) -> None:
        if self._calls[which](*(ctypes.c_int64(int(x)) for x in words)) != 0:
            raise RuntimeError("MPI reports an error; the launcher's output tells more")


def _as_word(handle: int) -> int:
    """Return a handle as a signed number of 64 bits."""
    return handle - (1 << 64) if handle >> 63 else handle


@lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    from importlib.metadata import version

    import rheobase

    own = {"rheobase": rheobase.__version__, "Python": platform.python_version()}
    return own | {name: version(name) for name in ("numpy", "scipy", "numba")}
