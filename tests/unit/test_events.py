"""Event data: files in the three formats, made here byte by byte, read back; damaged ones are named."""

import pickle
import struct
import tracemalloc

import h5py
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from rheobase.errors import InputError  # noqa: E402
from rheobase.learn import events  # noqa: E402
from rheobase.learn.events import SHD, SSC, AedatFile, DVSGesture, Events, read_bin, time_first  # noqa: E402


# ------------------------------------------------------------------ the value
def test_dense_counts_in_bins_and_drops_what_is_late():
    e = Events.of([0, 0.99, 1.0, 1.2, 2.7, 9], [0, 1, 1, 1, 2, 0], shape=(3,))
    wanted = [[1, 1, 0], [0, 2, 0], [0, 0, 1]]
    assert e.dense("1 ms", "3 ms").tolist() == wanted
    assert e.dense(1).shape == (10, 3)
    assert e.dense(1, 3, clip=True).tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert e.dense(1, 2.5).tolist() == wanted[:2] + [[0, 0, 0]]  # 2.7 ms is after the end
    assert e.dense(1, 20).sum() == 6
    assert Events.of([], [], (3,)).dense(1).shape == (1, 3)
    assert e.dense(1, 3, dtype=torch.float16).dtype == torch.float16


def test_times_at_multiples_of_dt_begin_their_bin_whatever_their_rounding():
    k = np.arange(3000)
    x = Events.of(k * 0.1, np.zeros_like(k), (1,)).dense("0.1 ms")
    assert x.sum() == 3000
    assert (x == 1).all()


def test_events_sort_and_keep_the_order_of_equal_times():
    e = Events.of([3, 1, 3, 1], [0, 1, 2, 3], (4,))
    assert e.times.tolist() == [1, 1, 3, 3]
    assert e.units.tolist() == [1, 3, 0, 2]
    with pytest.raises(ValueError, match="read-only"):
        e.times[0] = 0


def test_window_counts_from_its_start():
    e = Events.of([0, 5, 6, 7], [0, 1, 2, 3], (4,)).window("5 ms", "7 ms")
    assert (e.times.tolist(), e.units.tolist()) == ([0, 1], [1, 2])


def test_coarser_joins_pixels_but_not_polarities():
    shape = (2, 5, 6)
    units = np.ravel_multi_index(([0, 1], [4, 3], [5, 0]), shape)
    e = Events.of([0, 1], units, shape).coarser(2)
    assert e.shape == (2, 3, 3)
    assert (e.polarity.tolist(), e.y.tolist(), e.x.tolist()) == ([0, 1], [2, 1], [2, 0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Events.of([1, 2], [0], (3,)), "2 times but 1 addresses"),
        (lambda: Events.of([1, np.nan], [0, 0], (3,)), "event 1 is at nan ms"),
        (lambda: Events.of([1, -2], [0, 0], (3,)), "event 1 is at -2.0 ms"),
        (lambda: Events.of([1, 2], [0, 3], (3,)), r"event 1 has address 3, but there are 3: \(3,\)"),
        (lambda: Events.of([1], [0.5], (3,)), "whole numbers"),
        (lambda: Events.of([1], [0], (3,)).x, "have no x"),
        (lambda: Events.of([1], [0], (3,)).window(2, 1), "must be before stop"),
        (lambda: Events.of([1], [0], (3,)).coarser(0), "factor = 0"),
        (lambda: Events.of([1e12], [0], (700,)).dense("1 ms"), r"GiB; give until=, a longer dt"),
        (lambda: Events.of([1], [0], (3,)).dense(0), "dt = 0 must be a positive time"),
    ],
)
def test_wrong_events_are_named(call, message):
    with pytest.raises(InputError, match=message):
        call()


# ------------------------------------------------------------------ N-MNIST
def write_bin(path, rows):
    """Rows of x, y, polarity, microseconds, as 40 bits each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    words = (x << 32 | y << 24 | p << 23 | t for x, y, p, t in rows)
    path.write_bytes(b"".join(w.to_bytes(5, "big") for w in words))
    return path


ROWS = [(0, 0, 0, 0), (33, 1, 1, 999), (2, 33, 0, 1500), (7, 8, 1, 2**23 - 1)]


def test_bin_files_are_read_bit_by_bit(tmp_path):
    e = read_bin(write_bin(tmp_path / "a.bin", ROWS))
    assert e.shape == (2, 34, 34)
    read = [
        *zip(
            e.x.tolist(), e.y.tolist(), e.polarity.tolist(), (e.times * 1000).round().astype(int).tolist(), strict=True
        )
    ]
    assert read == ROWS


def test_bin_files_mark_where_the_clock_began_anew(tmp_path):
    e = read_bin(write_bin(tmp_path / "a.bin", [(1, 1, 0, 8000), (0, 240, 0, 0), (1, 1, 0, 10)]))
    assert e.times.tolist() == [8.0, 8.202]


def test_nmnist_gives_tensors_and_labels(tmp_path):
    for split, digit, name in (("Train", 3, "00002"), ("Train", 0, "00009"), ("Test", 7, "00001")):
        write_bin(tmp_path / split / str(digit) / f"{name}.bin", ROWS)
    data = events.NMNIST(tmp_path, dt="1 ms", until="300 ms", clip=True)
    assert data.labels.tolist() == [0, 3]
    x, y = data[1]
    assert x.shape == (300, 2, 34, 34)
    assert (int(y), x.sum()) == (3, 3)
    assert [float(x[0, 0, 0, 0]), float(x[0, 1, 1, 33]), float(x[1, 0, 33, 2])] == [1, 1, 1]
    assert len(events.NMNIST(tmp_path, train=False)) == 1
    assert isinstance(events.NMNIST(tmp_path)[0][0], Events)
    assert repr(data) == "NMNIST(2 recordings, 10 classes, (2, 34, 34), bins of 1 ms)"
    half = events.NMNIST(tmp_path, dt=1, until=300, coarser=2, transform=lambda t: t.flatten(1))
    assert half[0][0].shape == (300, 2 * 17 * 17)
    with pytest.raises(IndexError):
        data[2]
    assert torch.equal(data[-1][0], x)


def test_loader_stacks_time_first(tmp_path):
    for k in range(4):
        write_bin(tmp_path / "Train" / str(k) / "0.bin", ROWS[: k + 1])
    data = events.NMNIST(tmp_path, dt="1 ms")
    loader = torch.utils.data.DataLoader(data, batch_size=4, collate_fn=time_first)
    x, y = next(iter(loader))
    assert x.shape == (8389, 4, 2, 34, 34)  # the longest; the others end in silence
    assert x.sum((0, 2, 3, 4)).tolist() == [1, 2, 3, 4]
    assert y.tolist() == [0, 1, 2, 3]
    lists, _ = time_first([events.NMNIST(tmp_path)[i] for i in range(2)])
    assert [len(e) for e in lists] == [1, 2]


def test_damaged_bin_files_are_named(tmp_path):
    path = write_bin(tmp_path / "Train" / "0" / "a.bin", ROWS)
    write_bin(tmp_path / "Train" / "1" / "b.bin", ROWS)
    write_bin(tmp_path / "Train" / "2" / "c.bin", [(34, 0, 0, 5)])
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(InputError, match=r"a\.bin has 18 bytes: 3 events of 5 bytes and 3 bytes more; it is cut off"):
        read_bin(path)
    with pytest.raises(InputError, match="event 0 is at x = 34, y = 0, outside 34 by 34"):
        read_bin(tmp_path / "Train" / "2" / "c.bin")
    found = events.NMNIST(tmp_path).check(progress=False)
    assert len(found) == 2
    assert "a.bin" in found[0]
    with pytest.raises(InputError, match="No such file"):
        read_bin(tmp_path / "none.bin")


def test_a_huge_file_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "huge.bin"
    with path.open("wb") as file:
        file.truncate(2**34)  # 16 GiB of nothing
    tracemalloc.start()
    with pytest.raises(InputError, match="has 16384 MiB; files of this kind have at most 128"):
        read_bin(path)
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()


def test_preload_reads_files_once_and_keeps_to_its_bound(tmp_path, capsys):
    for k in range(3):
        write_bin(tmp_path / "Train" / str(k) / "0.bin", ROWS)
    data = events.NMNIST(tmp_path, dt="1 ms", until="10 ms")
    with pytest.raises(InputError, match="the first 2 of 3 recordings have"):
        data.preload(most_bytes=80, progress=False)
    data.preload()
    assert "NMNIST" in capsys.readouterr().err  # the bar
    (tmp_path / "Train" / "0" / "0.bin").unlink()
    assert data[0][0].sum() == 3


@pytest.mark.parametrize("make", [events.NMNIST, DVSGesture])
def test_a_missing_folder_says_where_data_come_from(make, tmp_path):
    with pytest.raises(InputError, match=r"Nothing is downloaded here: get .* from its authors"):
        make(tmp_path / "none")
    with pytest.raises(InputError, match=r"missing|cannot be read"):
        make(tmp_path)


# ------------------------------------------------------------------ AEDAT 3.1, DVS-Gesture
HEADER = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n#Start-Time: 2016-05-03 14:11:52\r\n#!END-HEADER\r\n"


def packet(rows, kind=1, overflow=0, number=None, size=8):
    """Rows of x, y, polarity, microseconds[, valid]."""
    head = struct.pack(
        "<hhiiiiii", kind, 1, size, 4, overflow, len(rows), len(rows) if number is None else number, len(rows)
    )
    if number is not None:
        head = struct.pack("<hhiiiiii", kind, 1, size, 4, overflow, max(number, len(rows)), number, len(rows))
    body = b"".join(
        struct.pack("<II", r[0] << 17 | r[1] << 2 | r[2] << 1 | (r[4] if len(r) > 4 else 1), r[3]) for r in rows
    )
    return head + body


def write_aedat(path, *packets):
    path.write_bytes(HEADER + b"".join(packets))
    return path


A = [(0, 0, 0, 1000), (127, 3, 1, 2000), (5, 6, 1, 2500, 0)]  # the last is marked invalid
B = [(9, 127, 0, 3000), (1, 1, 1, 7000)]


def test_aedat_packets_are_read_bit_by_bit(tmp_path):
    special = packet([(0, 0, 0, 1)], kind=0)
    path = write_aedat(
        tmp_path / "a.aedat", packet(A), special, packet([]), packet(B), packet([(2, 2, 1, 5)], overflow=1)
    )
    file = AedatFile(path)
    assert (len(file), file.damage) == (6, "")
    e = file.read()
    assert [*zip(e.x.tolist(), e.y.tolist(), e.polarity.tolist(), strict=True)] == [
        (0, 0, 0), (127, 3, 1), (9, 127, 0), (1, 1, 1), (2, 2, 1),
    ]  # fmt: skip
    np.testing.assert_allclose(e.times, [1, 2, 3, 7, (2**31 + 5) / 1000])
    w = file.read("2 ms", "7 ms")
    assert (w.times.tolist(), w.x.tolist()) == ([0, 1], [127, 9])
    assert len(file.read("50 ms", "60 ms")) == 0


def write_gestures(folder):
    write_aedat(folder / "user01_led.aedat", packet(A), packet(B))
    write_aedat(folder / "user02_led.aedat", packet(B))
    head = "class,startTime_usec,endTime_usec\n"
    (folder / "user01_led_labels.csv").write_text(f"{head}1,500,2500\n11,2500,8000\n")
    (folder / "user02_led_labels.csv").write_text(f"{head}4,0,5000\n")
    (folder / "trials_to_train.txt").write_text("user01_led.aedat\n\n")
    (folder / "trials_to_test.txt").write_text("user02_led.aedat")


def test_gestures_are_cut_out_by_their_labels(tmp_path):
    write_gestures(tmp_path)
    data = DVSGesture(tmp_path, dt="1 ms", coarser=4)
    assert data.labels.tolist() == [0, 10]
    assert data.classes[10] == "other gestures"
    x, _ = data[0]
    assert x.shape == (2, 2, 32, 32)
    assert (float(x[0, 0, 0, 0]), float(x[1, 1, 0, 31])) == (1, 1)
    assert DVSGesture(tmp_path)[1][0].times.tolist() == [0.5, 4.5]
    assert DVSGesture(tmp_path, train=False).labels.tolist() == [3]
    assert data.check(progress=False) == []


def test_a_cut_off_recording_is_read_up_to_the_cut(tmp_path):
    path = write_aedat(tmp_path / "a.aedat", packet(A), packet(B))
    whole = path.read_bytes()
    for lost, message in ((3, "cut off at byte .* within the packet"), (36, "within the header of a packet")):
        path.write_bytes(whole[:-lost])
        file = AedatFile(path)
        assert file.read("0 ms", "2 ms").times.tolist() == [1]
        with pytest.raises(InputError, match=message):
            file.read()


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (packet(B, number=2**30), "which should have 1073741824 events"),
        (packet(B, number=-5), "number -5"),
        (packet(B, size=0), "event size 0"),
        (packet(B, size=16)[:28], "polarity events of 16 bytes"),
        (packet(B, overflow=-1), "time overflow -1"),
        (packet(B, kind=-3), "type -3"),
        (packet([(128, 0, 0, 5)]), "at x = 128, y = 0, outside 128 by 128"),
    ],
)
def test_hostile_packets_are_named_and_cost_no_memory(tmp_path, broken, message):
    path = write_aedat(tmp_path / "a.aedat", packet(A), broken)
    tracemalloc.start()
    with pytest.raises(InputError, match=message):
        AedatFile(path).read()
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"#!AER-DAT2.0\r\n", "begins with b'#!AER-DAT2.0', not with"),
        (b"\x89PNG\r\n", "it is no AEDAT 3.1 file"),
        (HEADER[:60], "the header has no end"),
        (b"#!AER-DAT3.1\r\n" + b"#" * 2**21, "the header has no end"),
    ],
)
def test_what_is_no_aedat_file_is_said(tmp_path, content, message):
    path = tmp_path / "a.aedat"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        AedatFile(path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("trials_to_train.txt", "../../etc/passwd.aedat", "is no name of an .aedat file in this folder"),
        ("trials_to_train.txt", "", "lists no recording"),
        ("trials_to_train.txt", "user09.aedat", "is listed but missing"),
        ("user01_led_labels.csv", "1,2,3\n", "the first line must be class,startTime_usec,endTime_usec"),
        (
            "user01_led_labels.csv",
            "class,startTime_usec,endTime_usec\n1,2\n",
            "line 2: '1,2' is not three whole numbers",
        ),
        ("user01_led_labels.csv", "class,startTime_usec,endTime_usec\n12,2,3\n", "a class is from 1 to 11"),
        ("user01_led_labels.csv", "class,startTime_usec,endTime_usec\n1,9,3\n", "a start before its stop"),
    ],
)
def test_wrong_lists_and_labels_are_named(tmp_path, name, text, message):
    write_gestures(tmp_path)
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        DVSGesture(tmp_path)


def test_random_damage_never_passes_as_another_error(tmp_path):
    whole = HEADER + packet(A) + packet(B)
    rng = np.random.default_rng(0)
    path = tmp_path / "a.aedat"
    for _ in range(300):
        raw = bytearray(whole)
        for k in rng.integers(0, len(raw), 3):
            raw[k] = rng.integers(256)
        path.write_bytes(raw[: rng.integers(1, len(raw) + 1)])
        try:
            AedatFile(path).read()
        except InputError:  # any other error fails the test
            continue


# ------------------------------------------------------------------ SHD, SSC
def write_shd(path, rows, labels):
    """Rows of (seconds, channels); times in half precision, as the original files have them."""
    with h5py.File(path, "w") as f:
        spikes = f.create_group("spikes")
        for name, kind, column in (("times", np.float16, 0), ("units", np.uint16, 1)):
            d = spikes.create_dataset(name, (len(rows),), dtype=h5py.vlen_dtype(kind))
            for k, row in enumerate(rows):
                d[k] = np.asarray(row[column], dtype=kind)
        f.create_dataset("labels", data=np.asarray(labels, dtype=np.uint8))
    return path


SPOKEN = [([0.0625, 0.125, 0.5], [0, 699, 5]), ([], []), ([0.25], [350])]


def test_shd_rows_become_events_and_tensors(tmp_path):
    path = write_shd(tmp_path / "shd_train.h5", SPOKEN, [0, 19, 10])
    data = SHD(path, dt="10 ms", until="1 s", coarser=5)
    assert data.labels.tolist() == [0, 19, 10]
    assert data.classes[10] == "de 0"
    x, y = data[0]
    assert (x.shape, int(y)) == ((100, 140), 0)
    assert x.nonzero().tolist() == [[6, 0], [12, 139], [50, 1]]
    assert data[1][0].sum() == 0
    e = SHD(path)[0][0]
    assert (e.times.tolist(), e.units.tolist()) == ([62.5, 125.0, 500.0], [0, 699, 5])
    assert len(SSC(path).classes) == 35
    batch, labels = time_first([data[i] for i in range(3)])
    assert batch.shape == (100, 3, 140)
    assert labels.tolist() == [0, 19, 10]


def test_shd_works_in_the_processes_of_a_loader(tmp_path):
    data = SHD(write_shd(tmp_path / "shd.h5", SPOKEN, [0, 19, 10]), dt="10 ms", until="1 s")
    data[0]  # opens the file here, too
    loader = torch.utils.data.DataLoader(
        data, batch_size=3, num_workers=1, collate_fn=time_first, multiprocessing_context="spawn"
    )
    x, _ = next(iter(loader))
    assert x.sum((0, 2)).tolist() == [3, 0, 1]
    again = pickle.loads(pickle.dumps(data))
    assert torch.equal(again[2][0], data[2][0])


def test_damaged_shd_files_are_named(tmp_path):
    good = write_shd(tmp_path / "good.h5", SPOKEN, [0, 19, 10])

    def broken(change, name="bad.h5"):
        path = tmp_path / name
        path.write_bytes(good.read_bytes())
        with h5py.File(path, "a") as f:
            change(f)
        return path

    def retype(f, name, **new):
        del f[name]
        f.create_dataset(name, **new)

    cases = [
        (lambda f: retype(f, "labels", data=np.array([0, 20, 1])), "a label is 20; SHD has classes 0 .. 19"),
        (lambda f: retype(f, "labels", data=np.array([0, 1])), "2 labels, 3 rows of times"),
        (lambda f: retype(f, "labels", data=np.array([0.5, 1, 2])), "not whole numbers"),
        (lambda f: retype(f, "labels", shape=(10**12,), dtype="u1", chunks=(1000,)), "that is too many"),
        (lambda f: retype(f, "labels", data=np.zeros((3, 2), int)), "must be one row"),
        (lambda f: retype(f, "spikes/times", data=np.zeros(3)), "spikes/times are float64, not rows of"),
        (lambda f: f.__delitem__("spikes/units"), "has no 'spikes/units'"),
        (lambda f: f.__delitem__("spikes"), "has no 'spikes/times'"),
    ]
    for change, message in cases:
        with pytest.raises(InputError, match=message):
            SHD(broken(change))

    def link(f):
        del f["labels"]
        f["labels"] = h5py.ExternalLink(str(good), "labels")

    with pytest.raises(InputError, match="'labels' is a link, not data"):
        SHD(broken(link))


def test_wrong_samples_are_named_when_they_are_read(tmp_path):
    rows = [([0.1, 0.2], [1]), ([0.1], [700]), ([np.nan], [1]), ([-1.0], [1]), ([0.1], [1])]
    data = SHD(write_shd(tmp_path / "shd.h5", rows, [0] * 5))
    for i, message in enumerate(
        ("sample 0 has 2 times but 1 units", "sample 1: event 0 has address 700", "sample 2", "sample 3")
    ):
        with pytest.raises(InputError, match=message):
            data[i]
    assert len(data.check(progress=False)) == 4


def test_a_cut_off_or_foreign_file_is_named(tmp_path):
    whole = write_shd(tmp_path / "shd.h5", SPOKEN, [0, 19, 10]).read_bytes()
    cut = tmp_path / "cut.h5"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cut\.h5 is damaged or no such file"):
        SHD(cut)
    cut.write_text("hello")
    with pytest.raises(InputError, match=r"cut\.h5 is damaged or no such file"):
        SHD(cut)
    with pytest.raises(InputError, match="Nothing is downloaded here"):
        SHD(tmp_path / "none.h5")


def test_random_damage_of_an_hdf5_file_is_an_error_with_its_name(tmp_path):
    whole = write_shd(tmp_path / "shd.h5", SPOKEN, [0, 19, 10]).read_bytes()
    used = np.flatnonzero(np.frombuffer(whole, np.uint8))
    rng = np.random.default_rng(2)
    refused = 0
    for k in range(60):
        raw = bytearray(whole)
        for place in rng.choice(used, 3):
            raw[place] = rng.integers(256)
        path = tmp_path / f"{k}.h5"
        path.write_bytes(raw)
        try:
            data = SHD(path)
            for i in range(len(data)):
                data.events(i)
        except InputError:  # any other error fails the test
            refused += 1
    assert refused > 10
