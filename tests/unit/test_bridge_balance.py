"""What moves a broker's balance besides our deals: told by its deals where it tells them."""

from collections.abc import Callable

import msgspec

from mt5crs_services.gateway.brokers.bridge.account.balance import BalanceState
from mt5crs_services.gateway.brokers.bridge.dialects.dialect import FarAccount, FarDeal
from mt5crs_shared.trading.orders import Charge

MAGICS = (7, 9)
OWNERS = {70: "euro", 90: "yen"}
LEDGER = 10_000.0
BOUGHT = FarDeal(
    1, 100, trade=True, kind="BUY", position=70, magic=7, profit=0.0, commission=-0.35, swap=0.0
)


class Books:
    """A ledger's balance, and what it has charged."""

    def __init__(self, state: BalanceState, owner_of: Callable[[int], str | None]) -> None:
        self.state = state
        self.charges: list[Charge] = []
        self.owner_of = owner_of

    @property
    def balance(self) -> float:
        return LEDGER + sum(charge.made for charge in self.charges)

    def see(self, balance: float, *deals: FarDeal, told: bool = True) -> tuple[str, str]:
        """A look: what people are told, and why it stops everything."""
        account = FarAccount(balance, balance, 0.0, balance)
        state, charges = self.state.with_deals(deals if told else None, self.owner_of, MAGICS)
        trouble = state.leap(account, self.balance, 0.0, charges)
        if trouble:
            return "", trouble
        self.charges += charges
        self.state, note = state.settled(account, self.balance)
        return (note.detail if note is not None else ""), ""


def books(state: BalanceState | None = None) -> Books:
    """Books that have seen the account once."""
    made = Books(state or BalanceState(offset=0.0), OWNERS.get)
    made.see(LEDGER + (made.state.offset or 0.0))
    return made


def changed(deal: FarDeal = BOUGHT, **fields: object) -> FarDeal:
    return msgspec.structs.replace(deal, **fields)


def test_what_came_before_the_first_look_explains_nothing() -> None:
    first = Books(BalanceState(offset=50.0), OWNERS.get)
    assert first.see(10_050.0, BOUGHT) == ("", "")
    assert (first.state.causes, first.charges) == ({}, [])
    assert (first.state.deal, first.state.deal_us) == (1, 100)


def test_costs_are_charged_to_whose_position_it_is_and_the_rest_is_told() -> None:
    desk = books()
    # Closed by hand: with no number of ours, and the position is ours all the same.
    swap = changed(number=3, position=90, magic=0, kind="SELL", profit=40.0, swap=-12.5)
    stranger = changed(number=2, position=55, magic=55, profit=3.0, commission=-1.0)
    paid = changed(number=4, trade=False, kind="BALANCE", profit=500.0, commission=0.0)
    tax = changed(number=5, trade=False, kind="DIVIDEND_TAX", profit=-1.0, commission=0.0)
    free = changed(number=6, time_us=200, commission=0.0)
    moved = -0.35 - 12.85 + 2.0 + 500.0 - 1.0
    # The profit of 40 is the ledger's, and not missing here.
    note, trouble = desk.see(LEDGER + moved, BOUGHT, stranger, swap, paid, tax, free)
    assert trouble == ""
    assert note == (
        "the broker's balance is 10,487.80: +501.00 besides the deals here: deals of others +2.00,"
        " dividend tax -1.00, paid in or out +500.00; the ledger's balance stays as it is"
    )
    assert desk.charges == [
        Charge(1, "euro", 70, 100, commission=0.35, swap=0.0),
        Charge(3, "yen", 90, 100, commission=0.35, swap=-12.5),
    ]
    assert (desk.state.untold, desk.state.causes, desk.state.deal) == (0.0, {}, 6)
    # The same deals are told again: the gateway asks from the newest one's time on.
    before = desk.state
    assert desk.see(LEDGER + moved, swap, tax, free) == ("", "")
    assert (desk.state, len(desk.charges)) == (before, 2)


def test_a_deal_of_ours_waits_until_its_position_is_in_the_ledger() -> None:
    positions: dict[int, str] = {}
    desk = books()
    desk.owner_of = positions.get
    assert desk.see(LEDGER - 0.35, BOUGHT) == ("", "")
    assert (desk.charges, desk.state.unclaimed, desk.state.untold) == ([], (BOUGHT,), 0.0)
    positions[70] = "euro"
    assert desk.see(LEDGER - 0.35) == ("", "")
    assert [charge.made for charge in desk.charges] == [-0.35]
    assert (desk.state.unclaimed, desk.state.untold, desk.state.offset) == ((), 0.0, 0.0)


def test_what_nobody_claims_is_of_others() -> None:
    desk = books()
    desk.see(LEDGER - 4.35, changed(position=71, profit=-4.0))
    state = desk.state.disowned()
    assert (state.unclaimed, state.causes) == ((), {"deals of others": -4.35})


def test_a_deal_that_is_told_before_its_money_moves_waits_for_it() -> None:
    desk = books()
    paid = changed(number=4, trade=False, kind="BALANCE", profit=50.0, commission=0.0)
    assert desk.see(LEDGER, paid) == ("", "")
    assert desk.state.causes == {"paid in or out": 50.0}
    note, _ = desk.see(LEDGER + 50.0)
    assert "paid in or out +50.00; the ledger's" in note and desk.state.causes == {}
    assert desk.see(LEDGER + 50.0, changed(number=5)) == ("", "")
    assert desk.state.untold == 0.35, "the ledger has it already"
    desk.see(LEDGER + 49.65)
    assert (desk.state.untold, desk.state.offset) == (0.0, 50.0)


def test_what_nothing_explains_is_said_and_a_jump_of_that_stops() -> None:
    note, _ = books().see(LEDGER - 20.0, BOUGHT)
    assert "-19.65 besides the deals here: -19.65 that no deal here explains, such as swap" in note
    desk = books()
    note, trouble = desk.see(LEDGER + 5_000.0, BOUGHT)
    assert note == "" and "15,000.00, and 10,000.00 was expected" in trouble
    account = FarAccount(15_000.0, 15_000.0, 0.0, 15_000.0)
    assert desk.state.leap(account, LEDGER, allowed=4_000.0) == "", "open positions may have"
    paid = changed(number=4, trade=False, kind="BALANCE", profit=5_000.0, commission=0.0)
    note, trouble = desk.see(LEDGER + 5_000.0, paid)
    assert "paid in or out +5,000.00" in note and trouble == ""
    dear = changed(number=5, swap=-3_000.0)
    assert desk.see(LEDGER + 1_999.65, dear) == ("", ""), "a charge that is told is no jump"
    assert desk.see(LEDGER - 1_000.35, changed(number=6, position=1, swap=-3_000.0)) == ("", "")


def test_a_dialect_that_tells_no_deals_explains_nothing() -> None:
    desk = Books(BalanceState(offset=0.0), OWNERS.get)
    assert desk.see(LEDGER - 3.0, told=False) == ("", "")
    assert (desk.state.untold, desk.state.deal) == (-3.0, -1)


def test_a_loss_that_one_of_the_brokers_deals_tells_is_no_other_account() -> None:
    desk = books()
    account = FarAccount(1_982.0, 1_982.0, 0.0, 1_982.0)
    assert "was expected" in desk.state.leap(account, LEDGER, 0.0)
    assert desk.state.leap(account, LEDGER, 0.0, told=-8_018.0) == ""


def test_deals_are_asked_for_from_some_hours_before_the_newest_that_is_known() -> None:
    now, hour = 1_700_000_000_000_000, 3_600_000_000
    known = BalanceState(deal_us=now - hour)
    assert known.asked_from_us(now, crowded=False) == now - 4 * hour
    # An answer that was cut goes on with what it was cut at, or it would never come further.
    assert known.asked_from_us(now, crowded=True) == now - hour
    # A deal from the future hides none of those that follow.
    assert BalanceState(deal_us=now + 20 * hour).asked_from_us(now, crowded=False) == now - 3 * hour
    assert BalanceState().asked_from_us(now, crowded=True) == now - 24 * hour
