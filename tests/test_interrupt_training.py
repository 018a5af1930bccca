import os

import pytest

from tests.interrupt_training import TRAININGS, main


@pytest.mark.skipif(os.name == "nt", reason="sends POSIX signals")
@pytest.mark.parametrize("name", TRAININGS)
def test_trainings_that_are_interrupted_end_as_if_they_had_not_been(name, capsys):
    assert main(["--times", "2", "--only", name]) == 0
    assert f'"{name}": "0 of 2 failed"' in capsys.readouterr().out
