import argparse
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from common.scripts.command_line import (
    CommandError,
    natural,
    output_folder,
    positive_float,
    positive_int,
    run,
    script_parser,
)
from common.support.errors import NonFiniteError
from dataset.errors import DatasetError, SampleDataWarning


@pytest.fixture(autouse=True)
def _restore_format(monkeypatch):
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)


def failing(error):
    def main():
        raise error

    return main


def exit_code(main):
    with pytest.raises(SystemExit) as caught:
        run(main)
    return caught.value.code


# Argument types


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (positive_int, "1", 1),
        (positive_int, "10000", 10_000),
        (natural, "0", 0),
        (natural, "7", 7),
        (positive_float, "0.1", 0.1),
        (positive_float, "1e-300", 1e-300),
        (positive_float, "3", 3.0),
    ],
)
def test_numbers_in_range_are_accepted(kind, text, value):
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=kind)
    result = parser.parse_args(["--size", text]).size
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *((positive_int, text) for text in ("0", "-1", "-100", "2.5", "1e4", "abc", "", "nan")),
        *((natural, text) for text in ("-1", "0.5", "abc", "", "inf")),
        *((positive_float, text) for text in ("0", "-0.1", "nan", "inf", "-0.0", "abc", "", "1,5")),
    ],
)
def test_other_values_are_refused_in_one_line_that_names_option_and_value(kind, text, capsys):
    parser = argparse.ArgumentParser(prog="script")
    parser.add_argument("--size", type=kind)
    with pytest.raises(SystemExit) as caught:
        parser.parse_args([f"--size={text}"])
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    _usage, message = err.splitlines()
    assert message.startswith("script: error: argument --size: ")
    assert text in message


# run()


@pytest.mark.parametrize(("result", "code"), [(None, None), (0, 0), (1, 1)])
def test_the_exit_code_is_what_main_returns(result, code, capsys):
    assert exit_code(lambda: result) == code
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "error",
    [
        CommandError("no run in that folder"),
        DatasetError("no mirror answered"),
        NonFiniteError("the loss is nan"),
        OSError(28, "No space left on device", "a.npz"),
        PermissionError(13, "Permission denied", "a.npz"),
    ],
)
def test_errors_that_a_user_can_mend_end_in_one_line(error):
    # sys.exit(text) prints the text to stderr and exits with 1.
    assert exit_code(failing(error)) == f"error: {error}"


def test_ctrl_c_ends_with_130_and_no_traceback(capsys):
    assert exit_code(failing(KeyboardInterrupt())) == 130
    out, err = capsys.readouterr()
    assert out == ""
    assert err.split("\n") == ["", "stopped by Ctrl-C", ""]


@pytest.mark.parametrize("error", [ValueError("a bug"), TypeError("a bug"), ZeroDivisionError()])
def test_other_errors_keep_their_traceback(error):
    with pytest.raises(type(error)) as caught:
        run(failing(error))
    assert caught.value is error


@pytest.mark.parametrize("category", [UserWarning, SampleDataWarning])
def test_a_warning_for_the_user_is_one_line(category):
    exit_code(lambda: 0)
    text = warnings.formatwarning(category("mind the gap"), category, "file.py", 7)
    assert text == "warning: mind the gap\n"


def test_other_warnings_keep_their_place():
    exit_code(lambda: 0)
    text = warnings.formatwarning(RuntimeWarning("overflow"), RuntimeWarning, "file.py", 7)
    assert "file.py:7: RuntimeWarning: overflow" in text


def test_in_a_process_errors_and_warnings_are_single_lines_on_stderr():
    program = """
import warnings
from common.scripts.command_line import CommandError, run

def main():
    print("table")
    warnings.warn("mind the gap")
    raise CommandError("it can't be done")

run(main)
"""
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert process.returncode == 1
    assert process.stdout == "table\n"
    assert process.stderr == "warning: mind the gap\nerror: it can't be done\n"


# Options and the output folder


def test_help_shows_the_docstring_as_it_stands_and_the_defaults(capsys):
    parser = script_parser("Draw it.\n\nAs here:\n    a --- b\n", output="output/x", seed=3)
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert "\nAs here:\n    a --- b\n" in text
    assert "(default: output/x)" in text
    assert "(default: 3)" in text


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {}),
        ({"seed": 5}, {"seed": 5}),
        ({"output": "a"}, {"output": Path("a"), "show": False}),
    ],
)
def test_a_parser_has_the_options_that_were_asked_for(options, expected):
    assert vars(script_parser("It.", **options).parse_args([])) == expected


def test_an_output_folder_is_made_with_its_parents_and_left_empty(tmp_path):
    folder = tmp_path / "a" / "b" / "c"
    assert output_folder(folder) == folder
    assert list(folder.iterdir()) == []


def test_what_an_output_folder_holds_is_kept(tmp_path):
    (tmp_path / "a.txt").write_text("content")
    output_folder(tmp_path)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.txt", "content")]


@pytest.mark.parametrize("below", ["", "sub"])
def test_a_file_in_the_place_of_the_folder_is_named(tmp_path, below):
    (tmp_path / "taken").write_text("content")
    with pytest.raises(CommandError, match=r"taken.*can't be written.*--output"):
        output_folder(tmp_path / "taken" / below)
    assert (tmp_path / "taken").read_text() == "content"


@pytest.mark.parametrize("below", ["", "sub"])
def test_a_read_only_folder_is_named(open_folder, read_only, below):
    with (
        read_only(open_folder),
        pytest.raises(CommandError, match=rf"{open_folder.name}.*Permission denied.*--output"),
    ):
        output_folder(open_folder / below)


def test_text_that_the_terminal_cannot_show_is_replaced():
    program = (
        "from common.scripts.command_line import run; run(lambda: print('x\u2080\u00b2 \u00d7 2'))"
    )
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, env=environment)
    assert (process.returncode, process.stderr) == (0, b"")
    assert process.stdout.split() == [b"x??", b"?", b"2"]


@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
def test_sigterm_ends_a_script_but_lets_it_clean_up():
    program = """
import os, signal
from common.scripts.command_line import run

def main():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        print("saved")

run(main)
"""
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (process.returncode, process.stdout, process.stderr) == (143, "saved\n", "")


def test_help_shows_defaults_but_not_that_a_flag_is_off():
    parser = script_parser("Do it.", output="results", seed=7)
    text = " ".join(parser.format_help().split())
    assert "(default: 7)" in text
    assert "(default: results)" in text
    assert "False" not in text
