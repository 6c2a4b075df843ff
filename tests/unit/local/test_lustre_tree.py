from __future__ import annotations

import pytest

from engine.local.lustre_tree import LustreTree, clean_path, is_under


@pytest.mark.parametrize(
    ("path", "directory", "expected"),
    [
        ("/a/b", "/a", True),
        ("/a", "/a", True),
        ("/ab", "/a", False),
        ("/a", "/a/b", False),
        ("/anything", "/", True),
    ],
)
def test_is_under(path, directory, expected):
    assert is_under(path, directory) is expected


def test_paths_are_cleaned_and_cannot_climb_out():
    assert clean_path("a//b/") == "/a/b"
    for path in ("../x", "/a/../../x"):
        with pytest.raises(ValueError):
            clean_path(path)


def test_an_import_does_not_undo_a_change_s3_has_not_seen():
    tree = LustreTree()
    tree.write("/a", b"mine", 1.0)
    tree.place("/a", 5, "etag")
    assert tree.get("/a").content == b"mine"
    # WHEN the change was exported THEN a newer object replaces it
    tree.get("/a").changed_at = None
    tree.place("/a", 5, "etag")
    assert tree.get("/a").content is None
