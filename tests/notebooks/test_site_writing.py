import pytest

from common.scripts.command_line import CommandError
from notebooks.site_builder.writing import LIST, check_folder, write_site


def tree(folder):
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != LIST]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_a_second_build_replaces_the_first(tmp_path):
    site = tmp_path / "new" / "site"
    write_site({"index.html": b"1", "a/b.html": b"1", "a/c/d.html": b"1"}, site)
    files = {"index.html": b"2", "a/b.html": b"1", "e.html": b"2"}
    write_site(files, site)
    assert tree(site) == files
    assert not (site / "a/c").exists()


def test_what_no_build_wrote_stays(tmp_path):
    write_site({"index.html": b"1", "a/b.html": b"1"}, tmp_path)
    (tmp_path / "notes.txt").write_bytes(b"mine")
    (tmp_path / "a/mine.html").write_bytes(b"mine")
    write_site({"index.html": b"2"}, tmp_path)
    assert tree(tmp_path) == {"index.html": b"2", "notes.txt": b"mine", "a/mine.html": b"mine"}

    with pytest.raises(CommandError, match=r"notes\.txt was not written by this command"):
        write_site({"index.html": b"3", "notes.txt": b"3"}, tmp_path)
    assert tree(tmp_path) == {"index.html": b"2", "notes.txt": b"mine", "a/mine.html": b"mine"}


def test_an_interrupted_build_leaves_whole_files_and_the_next_one_tidies_up(tmp_path):
    class Interrupting(dict):
        def items(self):
            yield from list(super().items())[:2]
            raise KeyboardInterrupt

    write_site({"index.html": b"1", "old.html": b"1"}, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        write_site(Interrupting({"index.html": b"2", "new.html": b"2", "z.html": b"2"}), tmp_path)
    assert tree(tmp_path) == {"index.html": b"2", "new.html": b"2", "old.html": b"1"}
    write_site({"index.html": b"3"}, tmp_path)
    assert tree(tmp_path) == {"index.html": b"3"}


def test_a_folder_with_something_else_is_refused(tmp_path):
    (tmp_path / "precious").write_bytes(b"mine")
    with pytest.raises(CommandError, match="choose another folder with --output"):
        check_folder(tmp_path)
    with pytest.raises(CommandError, match="it is a file"):
        check_folder(tmp_path / "precious")
    assert tree(tmp_path) == {"precious": b"mine"}


@pytest.mark.parametrize("name", ["../precious", "/precious", "a/../../precious"])
def test_a_list_that_leads_out_of_the_folder_deletes_nothing_there(tmp_path, name):
    (tmp_path / "precious").write_bytes(b"mine")
    site = tmp_path / "site"
    write_site({"index.html": b"1"}, site)
    if name.startswith("/"):
        name = str(tmp_path) + name
    (site / LIST).write_text(f"index.html\n{name}\n")
    write_site({"index.html": b"2"}, site)
    assert tree(tmp_path) == {"precious": b"mine", "site/index.html": b"2"}


def test_a_folder_that_cannot_be_written(open_folder, read_only):
    with read_only(open_folder), pytest.raises(CommandError, match="choose another one"):
        write_site({"index.html": b""}, open_folder / "site")


def test_a_site_that_cannot_be_written_stays(open_folder, read_only):
    write_site({"index.html": b"1"}, open_folder / "site")
    with read_only(open_folder / "site"), pytest.raises(CommandError, match="choose another one"):
        write_site({"index.html": b"2"}, open_folder / "site")
    assert tree(open_folder / "site") == {"index.html": b"1"}
