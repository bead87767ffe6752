"""The command line: what it prints, and with which code it exits."""

import importlib.util
import subprocess
import sys
from importlib import import_module

import pytest
from typer.testing import CliRunner

import rheobase
from rheobase import cli

demo = import_module("rheobase.cli.demo")


@pytest.fixture
def run():
    def invoke(*arguments: str):
        return CliRunner().invoke(cli.app, arguments)

    return invoke


def test_version(run):
    result = run("--version")
    assert result.exit_code == 0
    assert result.output.strip() == f"rheobase {rheobase.__version__}"


def test_help_names_the_commands(run):
    result = run("--help")
    assert result.exit_code == 0
    assert "demo" in result.output
    assert "doctor" in result.output


def test_wrong_option_exits_with_2(run):
    result = run("demo", "--fast")
    assert result.exit_code == 2
    assert "--fast" in result.output


def test_unknown_command_exits_with_2(run):
    assert run("explain").exit_code == 2


def test_quick_demo_draws_pictures(run, tmp_path):
    out = tmp_path / "new" / "folder"
    result = run("demo", "--quick", "--out", str(out))
    assert result.exit_code == 0, result.output
    drawn = {path.stem for path in out.iterdir()}
    assert drawn == demo._QUICK
    assert all(path.stat().st_size > 5_000 for path in out.iterdir())
    assert "Exact()" in result.output
    assert "euler" in result.output


def test_folder_that_cannot_be_written(run, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    result = run("demo", "--quick", "--out", str(blocked / "demo"))
    assert result.exit_code == 1
    assert "cannot write" in result.output
    assert "--out" in result.output
    assert "Traceback" not in result.output


def test_a_number_that_does_not_come_out_is_said(run, tmp_path, monkeypatch):
    def draw():
        """Nothing"""
        raise AssertionError("47 is not 48")

    monkeypatch.setattr(demo, "_collect_figures", lambda quick: ([("loop", draw)], {}))
    result = run("demo", "--out", str(tmp_path))
    assert result.exit_code == 1
    assert "loop" in result.output
    assert "47 is not 48" in result.output


def test_figures_whose_packages_are_missing_are_left_out(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else find(name))
    assert "10_conversion" not in dict(demo._collect_figures(False)[0])  # a minute: its example draws it
    monkeypatch.setattr(demo, "_LONG", frozenset())
    jobs, left_out = demo._collect_figures(False)
    assert left_out["10_conversion"][0] == "torch"
    assert "10_staircase" in dict(jobs)
    assert not {*left_out} & {*dict(jobs)}


def test_doctor(run):
    result = run("doctor")
    assert result.exit_code == 0, result.output
    assert rheobase.__version__ in result.output
    assert "compiled run" in result.output
    assert "right" in result.output


def test_doctor_says_that_the_cache_cannot_be_written(run, tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("RHEOBASE_CACHE", str(blocked / "cache"))
    result = run("doctor")
    assert result.exit_code == 1
    assert "RHEOBASE_CACHE" in result.output


_PROGRAM = """
import sys
from rheobase.cli import main
sys.argv = ["rheobase", "--version"]
try:
    main()
except SystemExit as exit:
    heavy = [name for name in ("numba", "matplotlib", "torch", "scipy") if name in sys.modules]
    sys.exit(exit.code or ", ".join(heavy) or 0)
"""


def test_as_a_program():
    """main() is the entry point, and asking for the version loads neither compiler nor figures."""
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("rheobase ")
