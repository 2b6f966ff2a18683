"""What changed since a commit: all of it, or a word that it is not remembered."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from controller.loop.changes import Change, Changes


def told(*devices: tuple[str, ...], begin: int = 0, **bounds: int) -> Changes:
    changes = Changes(**bounds)
    changes.begin(begin)
    for at, names in enumerate(devices, start=begin + 1):
        changes.tell(Change(at, devices=names))
    return changes


def test_each_is_named_once_and_only_what_came_after() -> None:
    changes = told(("a",), ("b", "c"), ("b",))
    news = changes.since(1)
    assert news is not None
    assert (news.commit, [*news.devices]) == (3, ["b", "c"])
    nothing = changes.since(3)
    assert nothing is not None
    assert (nothing.commit, len(nothing)) == (3, 0)


def test_what_is_too_long_ago_or_has_not_been_is_not_remembered() -> None:
    changes = told(("a",), begin=5)
    assert [changes.since(commit) is None for commit in (4, 5, 6, 7, -1)] == [True, False, False, True, True]
    changes = told(*[("a",)] * 5, commits=2)
    assert [changes.since(commit) is None for commit in (2, 3)] == [True, False]


def test_commits_that_name_many_are_remembered_for_less_long() -> None:
    changes = told(("a", "b"), ("c", "d"), ("e",), names=3)
    assert changes.since(0) is None
    assert changes.since(1) is not None
    assert told(("a", "b"), names=1).since(0) is None


def test_a_restart_remembers_nothing_and_knows_where_it_is() -> None:
    changes = told(("a",), ("b",))
    changes.begin(7)
    assert changes.last == 7
    assert changes.since(2) is None
    assert changes.since(7) is not None


def test_what_is_too_much_at_once_is_told_in_parts_with_at_least_one_commit_in_each() -> None:
    changes, since, parts = told(("a", "b", "c"), ("d",), ("e",), ("f",)), 0, list[list[str]]()
    while (news := changes.since(since, most=2)) is not None and news.commit > since:
        parts.append([*news.devices])
        since = news.commit
    assert parts == [["a", "b", "c"], ["d", "e"], ["f"]]


def test_only_those_that_were_asked_for_are_named_and_the_commit_goes_on() -> None:
    news = told(("a",), ("b",), ("c",)).since(0, until=2, only={"b", "c"})
    assert news is not None
    assert (news.commit, [*news.devices]) == (2, ["b"])


@given(st.lists(st.lists(st.sampled_from("abcdef"), max_size=3).map(tuple), max_size=12), st.integers(1, 5))
def test_whoever_goes_on_from_where_he_was_misses_nothing(commits: list[tuple[str, ...]], most: int) -> None:
    """Each time he asks he is told of all that came since, however little at once."""
    changes, since, heard = Changes(), 0, set[str]()
    for at, names in enumerate(commits, start=1):
        changes.tell(Change(at, devices=names))
        news = changes.since(since, most=most)
        assert news is not None
        heard |= set(news.devices)
        since = news.commit
    while since < changes.last:
        news = changes.since(since, most=most)
        assert news is not None
        assert news.commit > since
        heard, since = heard | set(news.devices), news.commit
    assert heard == {name for names in commits for name in names}
