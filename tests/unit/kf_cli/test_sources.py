"""Which files an import takes, and under which names."""

from pathlib import Path

import pytest
from kf_cli.sources import SourceError, find_sources, sample_sources


def test_a_folder_is_searched_to_the_bottom_and_names_are_relative(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("b.md", "a.CSV", "sub/c.txt", "picture.png", "sub/.hidden"):
        (tmp_path / name).write_text("x", encoding="utf-8")
    assert [source.name for source in find_sources([tmp_path])] == ["a.CSV", "b.md", "sub/c.txt"]


def test_a_file_named_twice_is_taken_once(tmp_path: Path) -> None:
    file = tmp_path / "a.md"
    file.write_text("x", encoding="utf-8")
    assert [source.name for source in find_sources([file, file])] == ["a.md"]


def test_what_is_not_there_or_not_understood_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.exe").write_text("x", encoding="utf-8")
    with pytest.raises(SourceError, match=r"only \.md"):
        find_sources([tmp_path / "a.exe"])
    with pytest.raises(SourceError, match="is not there"):
        find_sources([tmp_path / "gone.md"])


def test_the_sample_has_two_collections() -> None:
    assert {collection for collection, _ in sample_sources()} == {"shop", "saas"}


def test_two_files_of_one_name_are_refused_rather_than_one_of_them_lost(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "faq.csv").touch()
    with pytest.raises(SourceError, match="import their folder instead"):
        find_sources([tmp_path / "a" / "faq.csv", tmp_path / "b" / "faq.csv"])
    assert len(find_sources([tmp_path])) == 2
