"""The page in a notebook: messages in, messages out, and what must not come of them."""

from __future__ import annotations

import html
import json
import re
import sys
import threading
import time
import types
from collections.abc import Iterator
from typing import Any

import pytest

import rheobase as rb
from rheobase.explorer.reader import BUSY, Desk, Limits

GOOD = {
    "evolve": "tau dv/dt = E_L - v + R*I",
    "threshold": "v > theta",
    "reset": "v <- v_r",
    "values": "tau = 20 ms\nR = 100 MOhm\nE_L = -70 mV\ntheta = -50 mV\nv_r = -70 mV",
}


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    desk = Desk(Limits(rate=1e6, burst=1_000_000))
    yield desk
    desk.close()


class Asking:
    """Rows are sent; the answers, in the order in which they come."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self._more = desk, threading.Condition()
        self.answers: list[Any] = []

    def hear(self, told: Any) -> None:
        with self._more:
            self.answers.append(told)
            self._more.notify()

    def wait(self, count: int) -> list[Any]:
        with self._more:
            assert self._more.wait_for(lambda: len(self.answers) >= count, 30), self.answers
        return self.answers

    def ask(self, rows: Any) -> Any:
        before = len(self.answers)
        self.desk.ask(rows if isinstance(rows, str) else json.dumps(rows), self.hear)
        return self.wait(before + 1)[-1]


def test_rows_are_read(desk: Desk) -> None:
    asking = Asking(desk)
    told = asking.ask(GOOD)
    assert [p["name"] for p in told["model"]["parameters"]] == ["tau", "R", "E_L", "theta", "v_r"]
    told = asking.ask(GOOD | {"evolve": "tau dv/dt = E_L - v + R*+*I"})
    _, line, caret = told["error"].splitlines()
    assert (told["row"], line[caret.index("^")]) == ("evolve", "*")


def test_what_is_too_much_is_refused(desk: Desk) -> None:
    asking = Asking(desk)
    begin = time.perf_counter()
    for size in (70_000, 10_000_000):
        assert asking.ask(GOOD | {"evolve": "v" * size})["error"] == "more than 64000 bytes are no rows of a neuron"
    assert time.perf_counter() - begin < 2
    assert "64000 bytes" in asking.ask("\ud800" * 64_001)["error"]
    assert "model" in asking.ask(GOOD)


@pytest.mark.parametrize(
    "rows",
    ["", "{", "[" * 30_000 + "]" * 30_000, "NaN", "3", "[]", '{"evolve": 3}', "\ud800", '"\\ud800"'],
)
def test_what_is_no_rows_is_told_so(desk: Desk, rows: str) -> None:
    assert Asking(desk).ask(rows)["error"]


def test_nothing_is_evaluated(desk: Desk, tmp_path: Any) -> None:
    there = tmp_path / "was_here"
    for text in (f"__import__('pathlib').Path({str(there)!r}).touch()", f"open({str(there)!r}, 'w')", "9**9**9**9"):
        asking = Asking(desk)
        assert asking.ask(GOOD | {"evolve": f"dv/dt = {text}"})["error"]
        assert asking.ask(GOOD | {"values": f"tau = {text}"})["error"]
    assert not there.exists()


def test_a_flood_is_held_back() -> None:
    desk = Desk(Limits(rate=0.001, burst=5, waiting=3))
    try:
        asking = Asking(desk)
        for _ in range(1000):
            desk.ask(json.dumps(GOOD), asking.hear)
        told = asking.wait(1000)
        assert sum(a == BUSY for a in told) == 997  # three wait, and those over the rate are never admitted
        assert sum("model" in a for a in told) == 3
    finally:
        desk.close()


def test_rows_that_take_too_long_are_given_up() -> None:
    desk = Desk(Limits(reading=0.02))
    try:
        assert "take longer" in Asking(desk).ask(GOOD)["error"]
    finally:
        desk.close()


# ---------------------------------------------------------------- the widget


@pytest.fixture
def widget(desk: Desk) -> Iterator[Any]:
    pytest.importorskip("anywidget", reason="the widget needs the extra `notebook`")
    from rheobase.explorer.widget import Widget

    widget = Widget(rb.AdEx(), desk)
    widget.sent, widget.more = [], threading.Event()

    def send(content: Any, buffers: Any = None) -> None:
        widget.sent.append(content)
        widget.more.set()

    widget.send = send
    yield widget
    widget.close()


def test_messages_in_and_out(widget: Any) -> None:
    widget._handle_custom_msg({"view": "a", "id": 7, "rows": json.dumps(GOOD)}, [])
    assert widget.more.wait(30)
    (sent,) = widget.sent
    assert (sent["view"], sent["id"]) == ("a", 7)
    assert "text" not in sent["answer"]
    assert sent["answer"]["script"].startswith(f'rheobaseProgram("{sent["answer"]["program"]}", ')
    json.dumps(sent)
    widget.more.clear()
    widget._handle_custom_msg({"view": "b", "id": 8, "rows": "{"}, [])
    assert widget.more.wait(30)
    assert widget.sent[-1] == {"view": "b", "id": 8, "answer": {"error": "this is no JSON", "row": ""}}


def test_messages_that_are_none(widget: Any) -> None:
    rows = json.dumps(GOOD)
    good = {"view": "a", "id": 1, "rows": rows}
    for message in (
        None, 3, "x", [], [good], {}, {"rows": rows}, good | {"id": "1"}, good | {"id": True}, good | {"id": 1.5},
        good | {"view": "x" * 65}, good | {"view": None}, good | {"rows": GOOD}, good | {"rows": None},
    ):  # fmt: skip
        widget._handle_custom_msg(message, [b"\x00" * 100])
    time.sleep(0.05)
    assert widget.sent == []


def test_an_answer_to_a_widget_that_is_closed(widget: Any) -> None:
    widget._handle_custom_msg({"view": "a", "id": 1, "rows": json.dumps(GOOD)}, [])
    widget.close()
    assert not widget.more.wait(0.5)


def test_the_page_lets_in_nothing_but_programs(widget: Any) -> None:
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', widget._document)[1])  # type: ignore[index]
    parts = dict(part.split(" ", 1) for part in policy.split("; "))
    assert parts["default-src"] == parts["connect-src"] == "'none'"
    assert re.fullmatch(r"'sha256-[\w+/=]+' 'nonce-[\w-]{32}'", parts["script-src"])
    assert f"'nonce-{widget._token}'" in parts["script-src"]
    assert len(widget._document) < 500_000


def test_explore_shows_the_widget(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("anywidget")
    shell = types.SimpleNamespace(kernel=True)
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: shell)
    page = rb.explore("C")
    assert page._repr_html_() is None
    assert "application/vnd.jupyter.widget-view+json" in page._repr_mimebundle_()[0]
    assert page.served
    page.close()
    assert not page.served
