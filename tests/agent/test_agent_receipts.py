"""The order in which acknowledgements leave, and that none is given for what another connection brought."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.receipts import Receipts


def test_a_token_of_a_lost_connection_confirms_nothing_though_the_packet_id_is_used_again() -> None:
    receipts = Receipts()
    old = receipts.take(7)
    receipts.forget()
    new = receipts.take(7)
    assert receipts.confirm([old]) == []
    assert receipts.confirm([new]) == [7]


def test_a_token_given_twice_does_not_confirm_the_next_message_of_that_packet_id() -> None:
    receipts = Receipts()
    first = receipts.take(1)
    assert receipts.confirm([first, first]) == [1]
    receipts.take(1)
    assert receipts.confirm([first]) == []


@given(st.permutations(range(8)), st.integers(1, 8))
def test_confirmed_in_whatever_order_packet_ids_leave_in_that_of_receipt(order: list[int], at_once: int) -> None:
    receipts = Receipts()
    tokens = [receipts.take(100 + number) for number in range(8)]
    left: list[int] = []
    for begin in range(0, 8, at_once):
        chosen = order[begin : begin + at_once]
        left += receipts.confirm(tokens[each] for each in chosen)
        done = set(order[: begin + len(chosen)])
        whole = next((number for number in range(8) if number not in done), 8)
        assert left == [100 + number for number in range(whole)]
