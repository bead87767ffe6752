"""explore(): the page as a file, what is in it, and what is refused. Its numbers: tests/agree/test_javascript.py."""

from __future__ import annotations

import ast
import base64
import hashlib
import html
import json
import re
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import rheobase as rb
from rheobase.cli import app
from rheobase.emit.js_expression import mangle, translate
from rheobase.emit.to_js import print_program
from rheobase.errors import InputError
from rheobase.explorer import open as opening
from rheobase.explorer.catalogue import describe_catalogue
from rheobase.explorer.describe import describe_neuron
from rheobase.explorer.document import build_page
from rheobase.explorer.mathematics import name_tree, typeset
from rheobase.explorer.worker import answer, read_rows
from rheobase.model import zoo


@pytest.fixture(scope="module")
def page() -> str:
    return build_page()[0]


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found
    return json.loads(found[1])


def test_the_page_is_one_small_file_that_asks_for_nothing(page: str) -> None:
    assert len(page.encode()) < 500_000
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1])  # type: ignore[index]
    assert "default-src 'none'" in policy
    assert "connect-src 'none'" in policy
    assert "unsafe" not in policy
    # what the policy lets run is what stands there
    for tag in ("script", "style"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.S)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    # no address in it is fetched: licences, namespaces, literature
    for address in re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"'<>)]*", page):
        assert re.search(r"github\.com/leeoniya|www\.w3\.org/(1998|2000)", address) or "doi" in address, address
    assert not re.search(r"<(link|img|iframe)[^>]+(href|src)=\"(?!data:)", page)
    assert not re.search(r"\beval\(|new Function|innerHTML|document\.write|insertAdjacentHTML", page)


def test_every_model_of_the_zoo_is_offered(page: str) -> None:
    models = data_of(page)["models"]
    assert [m["id"] for m in models if m["group"] == "zoo"] == [*zoo.NEURONS]
    assert set(zoo.NEURONS) == set(zoo.__all__) - {"fold_leak", "izhikevich_pattern"}
    assert len([m for m in models if m["group"] == "pattern"]) == 20
    assert data_of(page)["told"] == {"model": "LIF", "tab": "bucket", "served": None}


def test_parameters_have_units_and_legal_ranges() -> None:
    for model in describe_catalogue()["models"]:
        for p in model.get("parameters", []):
            assert p["low"] <= p["value"] <= p["high"], (model["id"], p)
            assert p["low"] < p["high"]
            assert not p["log"] or p["low"] > 0
            if p["open"]:
                assert p["low"] > 0
    told = {p["name"]: p for p in describe_neuron(rb.LIF())[0]["parameters"]}
    assert (told["tau"]["unit"], told["tau"]["open"], told["t_ref"]["least"], told["E_L"]["least"]) == (
        "ms",
        True,
        0.0,
        None,
    )
    for name, p in told.items():  # the ends of a slider are values that the neuron takes
        for end in ("low", "high"):
            rb.LIF().replace(**{name: p[end]})


def test_a_model_of_ones_own_comes_first() -> None:
    own = rb.LIF(tau="7 ms", name="mine </script><script>alert(1)</script>", about="<img src=x onerror=alert(1)>")
    page, _ = build_page(own)
    assert page.count("</script>") == 2  # the data and the program, nothing that was smuggled in
    assert "<img" not in page
    told = data_of(page)
    assert told["told"]["model"] == "own"
    assert told["models"][0]["title"] == own.name
    assert told["models"][0]["parameters"][0]["value"] == 7.0
    # the texts of the fields give the same neuron again
    again = read_rows(told["models"][0]["given"])
    assert again.replace(name=own.name, about=own.about, reference=own.reference) == own


@pytest.mark.parametrize("name", ["HH", "GLIF", "COBA", "SRM", "MihalasNiebur", "NoisyLIF", "MAT"])
def test_fields_read_back(name: str) -> None:
    model = getattr(rb, name)()
    page, _ = build_page(model)
    again = read_rows(data_of(page)["models"][0]["given"])
    assert again.replace(name=model.name, about=model.about, reference=model.reference) == model


def test_written_to_a_file(tmp_path: Path) -> None:
    path = rb.explore(rb.AdEx(), out=tmp_path / "adex.html")
    assert path == tmp_path / "adex.html"
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert rb.explore("C", out=path) == path
    with pytest.raises(InputError, match="is there already"):
        rb.explore(out=path, overwrite=False)
    with pytest.raises(InputError, match="cannot be written"):
        rb.explore(out=tmp_path / "no" / "folder.html")


def test_what_a_page_cannot_show_is_refused() -> None:
    with pytest.raises(InputError, match="Did you mean 'AdEx'"):
        rb.explore("AdX", out="x.html")
    with pytest.raises(InputError, match="explore wants a Neuron, not Network"):
        rb.explore(rb.Network(), out="x.html")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"tau = .* describes several"):
        rb.explore(rb.LIF(tau=[10.0, 20.0]), out="x.html")
    with pytest.raises(InputError, match=r"theta = .* describes several"):
        rb.explore(rb.LIF(theta=rb.uniform("-55 mV", "-45 mV")), out="x.html")


def test_without_a_server_a_file_is_opened(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    opened: list[str] = []
    monkeypatch.setattr(opening, "_NEEDED", ("a_package_that_is_not_there",))
    monkeypatch.setattr(opening.webbrowser, "open", opened.append)
    page = rb.explore(rb.LIF())
    assert opened == [page.url]
    assert page.url.startswith("file:")
    assert not page.served
    assert "rheobase[explore]" in capsys.readouterr().err
    with pytest.raises(InputError, match=r"pip install 'rheobase\[explore\]'"):
        rb.explore(port=8000)


def test_in_a_notebook_without_widgets_it_is_a_frame(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = types.SimpleNamespace(kernel=True)
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setattr(opening, "_WIDGETS", "a_package_that_is_not_there")
    page = rb.explore(rb.LIF())
    assert capsys.readouterr().err == "rows of your own can be typed here with: pip install 'rheobase[notebook]'\n"
    assert not page.served
    assert page._repr_mimebundle_() == {}
    shown = page._repr_html_()
    assert shown
    assert shown.startswith("<iframe ")
    assert 'sandbox="allow-scripts allow-downloads"' in shown
    inner = html.unescape(re.search(r'srcdoc="([^"]*)"', shown)[1])  # type: ignore[index]
    assert data_of(inner)["told"]["model"] == "own"


def test_command(tmp_path: Path) -> None:
    run = CliRunner()
    done = run.invoke(app, ["explore", "AdEx", "--out", str(tmp_path / "page.html")])
    assert done.exit_code == 0
    assert re.fullmatch(r".*page\.html: \d+ kB\n", done.output)
    done = run.invoke(app, ["explore", "Adex2", "--out", str(tmp_path / "page.html")])
    assert done.exit_code == 1
    assert run.invoke(app, ["explore", "--port", "99999"]).exit_code == 2


def test_names_that_javascript_keeps_for_itself() -> None:
    assert mangle("var") == "var$"
    assert mangle("tau") == "tau"
    assert translate("-v**2.0") == "-Math.pow(v, 2.0)"
    assert translate("(-v)**2.0") == "Math.pow(-v, 2.0)"
    assert translate("a - (b - c)") == "a - (b - c)"
    assert translate("a/(b*c)") == "a / (b * c)"
    assert translate("not (a > 1.0 and b <= 2.0)") == "!(a > 1.0 && b <= 2.0)"
    assert translate("(a if b > 0.0 else c) + 1.0") == "(b > 0.0 ? a : c) + 1.0"
    for text in ("__import__('os')", "a.b", "a[0]", "'x'", "lambda: 0", "[a]", "a if b else f(c)"):
        with pytest.raises(TypeError):
            translate(text)


def test_a_program_holds_nothing_but_arithmetic() -> None:
    for name in zoo.NEURONS:
        model = getattr(rb, name)()
        text = print_program(model, ["I"] if "I" in model.parameters else [])
        assert re.fullmatch(r"[\w\s$.,:;=+\-*/<>!&|?(){}\[\]\"]*", text), name
        assert not re.search(r"\b(window|document|fetch|import|eval|Function|globalThis|constructor|prototype)\b", text)


def test_typeset() -> None:
    table = dict(typeset(rb.LIF()))
    assert [*table] == ["evolve", "receive", "threshold", "reset", "refractory"]
    assert table["threshold"] == [["mrow", ["mi", "v"], ["mo", ">"], ["mi", "ϑ"]]]
    assert name_tree("k2") == ["msub", ["mi", "k"], ["mn", "2"]]
    assert name_tree("E_Na") == ["msub", ["mi", "E"], ["mi", "Na"]]
    one = rb.Neuron("tau dv/dt = -(a - b)*(-v) + a/b/tau - (a - (b - v))**2", tau=1, a=2, b=3)
    ((_, (tree,)),) = typeset(one)
    flat = re.sub(r"\s+", "", "".join(re.findall(r"'([^']+)'", str(tree))))
    assert flat.replace("mrow", "").replace("mo", "").replace("mi", "").count("(") == 4
    for model in (getattr(rb, name)() for name in zoo.NEURONS):
        for _, lines in typeset(model):
            assert lines


def test_rows_as_texts() -> None:
    good = {"evolve": "dv/dt = I - g*v", "receive": "exc: v <- v + w_i\ninh: v <- v - w_i", "threshold": "v > 1"}
    good |= {"reset": "v <- 0", "refractory": "v: 2", "values": "g = 0.1  # leak"}
    model = read_rows(good)
    assert (model.ports, model.parameters["g"].value, model.parameters["t_ref"].value) == (("exc", "inh"), 0.1, 2.0)
    told = answer(json.dumps(good))
    assert told["model"]["states"][0]["name"] == "v"
    assert told["text"] == print_program(model, ["I"])
    for change, row in (
        ({"evolve": ""}, "evolve"),
        ({"evolve": "dv/dt = I - g*v)"}, "evolve"),
        ({"values": "g 0.1"}, "values"),
        ({"values": "g = 0.1; g = 0.2"}, "values"),
        ({"values": "g = 0.1; name = 3"}, "values"),
        ({"values": "g = nan"}, "values"),
        ({"threshold": "v >> 1"}, "threshold"),
        ({"reset": "w <- 0"}, "reset"),
        ({"refractory": "2 mV"}, "refractory"),
    ):
        wrong = answer(json.dumps(good | change))
        assert wrong["error"], change
        assert wrong["row"] == row, (change, wrong)
    assert "cannot be read" in answer("{")["error"]
    assert "cannot be read" in answer("[" * 100_000)["error"]


def test_assets_are_in_the_package() -> None:
    folder = Path(rb.__file__).parent / "page"
    names = {p.name for p in folder.rglob("*") if p.is_file()}
    assert {"page.html", "style.css", "main.js", "uplot.js", "uplot.css", "LICENSE.uplot"} <= names
    assert (
        "MIT" in (folder / "vendor" / "LICENSE.uplot").read_text()
        or "Permission is hereby granted" in (folder / "vendor" / "LICENSE.uplot").read_text()
    )
    source = (Path(opening.__file__).parent / "assets.py").read_text()
    listed = {
        n.value for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Constant) and str(n.value).endswith(".js")
    }
    assert {p.name for p in folder.glob("*.js")} == listed - {"vendor/uplot.js"} | {"notebook.js"}
