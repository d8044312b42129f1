"""What moves a broker's balance besides our deals: told by its deals where it tells them."""

import msgspec

from mt5crs_services.gateway.brokers.bridge.account.balance import BalanceState
from mt5crs_services.gateway.brokers.bridge.dialects.dialect import FarAccount, FarDeal

OWNERS = {7: "euro", 9: "yen"}
LEDGER = 10_000.0
BOUGHT = FarDeal(1, 100, trade=True, kind="BUY", magic=7, profit=0.0, commission=-0.35, swap=0.0)


def seen(
    state: BalanceState, balance: float, *deals: FarDeal, told: bool = True
) -> tuple[BalanceState, str, str]:
    account = FarAccount(balance, balance, 0.0, balance)
    state = state.with_deals(deals if told else None, OWNERS)
    trouble = state.leap(account, LEDGER, allowed=0.0)
    if trouble:
        return state, "", trouble
    state, note = state.settled(account, LEDGER)
    return state, note.detail if note is not None else "", ""


def changed(deal: FarDeal = BOUGHT, **fields: object) -> FarDeal:
    return msgspec.structs.replace(deal, **fields)


def test_what_came_before_the_first_look_explains_nothing() -> None:
    first, note, trouble = seen(BalanceState(offset=50.0), 10_050.0, BOUGHT)
    assert (first.causes, first.deal, first.deal_us, note, trouble) == ({}, 1, 100, "", "")


def test_costs_are_told_by_strategy_and_by_what_they_are() -> None:
    state, _, _ = seen(BalanceState(offset=0.0), LEDGER)
    swap = changed(number=3, magic=9, kind="SELL", profit=40.0, swap=-12.5)
    stranger = changed(number=2, magic=55, profit=3.0, commission=-1.0)
    paid = changed(number=4, trade=False, kind="BALANCE", profit=500.0, commission=0.0)
    tax = changed(number=5, trade=False, kind="DIVIDEND_TAX", profit=-1.0, commission=0.0)
    moved = -0.35 - 12.85 + 2.0 + 500.0 - 1.0
    # The profit of 40 is the ledger's, and not missing here.
    state, note, trouble = seen(state, LEDGER + moved, BOUGHT, stranger, swap, paid, tax)
    assert trouble == ""
    assert note == (
        "the broker's balance is 10,487.80: +487.80 besides the deals here: commission of euro"
        " -0.35, commission of yen -0.35, deals of others +2.00, dividend tax -1.00, paid in or out"
        " +500.00, swap of yen -12.50; the ledger's balance stays as it is"
    )
    assert (state.untold, state.causes, state.deal) == (0.0, {}, 5)
    # The same deals are told again: the gateway asks from the newest one's time on.
    assert seen(state, LEDGER + moved, tax)[:2] == (state, "")


def test_a_deal_that_is_told_before_its_money_moves_waits_for_it() -> None:
    state, _, _ = seen(BalanceState(offset=0.0), LEDGER)
    paid = changed(number=4, trade=False, kind="BALANCE", profit=50.0, commission=0.0)
    state, note, _ = seen(state, LEDGER, paid)
    assert (note, state.causes) == ("", {"paid in or out": 50.0})
    state, note, _ = seen(state, LEDGER + 50.0)
    assert "paid in or out +50.00; the ledger's" in note and state.causes == {}


def test_what_nothing_explains_is_said_and_a_jump_of_that_stops() -> None:
    state, _, _ = seen(BalanceState(offset=0.0), LEDGER)
    _, note, _ = seen(state, LEDGER - 20.0, BOUGHT)
    assert "commission of euro -0.35, -19.65 that no deal here explains, such as swap" in note
    _, note, trouble = seen(state, LEDGER + 5_000.0, BOUGHT)
    assert note == "" and "15,000.00, and 10,000.00 was expected" in trouble
    account = FarAccount(15_000.0, 15_000.0, 0.0, 15_000.0)
    assert state.leap(account, LEDGER, allowed=4_000.0) == "", "open positions may have made it"
    paid = changed(number=4, trade=False, kind="BALANCE", profit=5_000.0, commission=0.0)
    _, note, trouble = seen(state, LEDGER + 5_000.0, paid)
    assert "paid in or out +5,000.00" in note and trouble == ""


def test_a_dialect_that_tells_no_deals_explains_nothing() -> None:
    state, note, _ = seen(BalanceState(offset=0.0), LEDGER - 3.0, told=False)
    assert (state.untold, state.deal, note) == (-3.0, -1, "")
