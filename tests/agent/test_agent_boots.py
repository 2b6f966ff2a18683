"""Boots of the host, as names of the agent's boots tell them."""

from __future__ import annotations

from agent.boots import boot_id, new_boot, same_host_boot, steady_s

HOST, LATER = "f3ab9c1e-77aa-4a11-9b2c-0123456789ab", "0c11d2ee-77aa-4a11-9b2c-0123456789ab"


def test_two_boots_of_the_agent_in_one_of_its_host_share_a_clock() -> None:
    first, second, after = new_boot(HOST), new_boot(HOST), new_boot(LATER)
    assert first != second
    assert same_host_boot(first, second)
    assert not same_host_boot(first, after)


def test_where_the_system_does_not_say_only_one_and_the_same_does() -> None:
    first, second = new_boot(""), new_boot("")
    assert same_host_boot(first, first)
    assert not same_host_boot(first, second)


def test_boots_of_earlier_releases_are_nobodys() -> None:
    assert not same_host_boot("0123456789abcdef0123456789abcdef", new_boot(boot_id()))


def test_steady_seconds_go_on() -> None:
    assert 0 < steady_s() <= steady_s()
