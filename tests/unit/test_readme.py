"""What the README shows runs as it stands."""

import doctest
import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True)
def _no_figures_left() -> None:
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def test_there_are_blocks_to_run():
    assert len(blocks("python")) >= 6
    assert len(blocks("pycon")) >= 1


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_python_block_runs_alone(number, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    script = tmp_path / f"block_{number}.py"
    script.write_text(blocks("python")[number], encoding="utf-8")
    runpy.run_path(str(script))


def test_shown_values_come_out(tmp_path, capsys):
    """The numbers in the comments of the blocks."""
    script = tmp_path / "block.py"
    printed = []
    for block in blocks("python"):
        script.write_text(block, encoding="utf-8")
        runpy.run_path(str(script))
        printed.append(capsys.readouterr().out)
    assert "[ 41.97224577  65.94449155" in printed[0]
    assert float(printed[1]) == pytest.approx(0.21)
    assert "[47.95790546 95.91581091]" in printed[2]
    assert "[47. 94.]" in printed[2]
    (questions,) = [text for text, block in zip(printed, blocks("python"), strict=True) if "rb.rheobase" in block]
    low, high = map(float, questions.split()[:2])
    assert (low, high) == (pytest.approx(0.2), pytest.approx(0.577, abs=5e-4))


def test_errors_look_as_shown():
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE, verbose=False)
    for block in blocks("pycon"):
        runner.run(doctest.DocTestParser().get_doctest(block, {}, "README", "README.md", 0))
    assert runner.tries > 4
    assert runner.failures == 0


def test_pictures_are_there_and_light():
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", TEXT)
    assert pictures
    for name in pictures:
        assert 5_000 < (ROOT / name).stat().st_size < 150_000, name


def test_commands_and_paths_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make (\w+)", TEXT, flags=re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
    for path in re.findall(r"^\| `([\w/]+(?:/|\.md))` \|", TEXT, flags=re.MULTILINE):
        assert (ROOT / path).exists(), path
