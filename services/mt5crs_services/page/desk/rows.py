"""What the page shows of the desk, as values: one struct for each part of it.

Money is in the account's currency, times are Unix seconds, volumes lots. What is None or empty is
left out on the way to the browser, where nothing means the same.
"""

import msgspec


class Open(msgspec.Struct, frozen=True):
    """An open position.

    Attributes:
        side: BUY or SELL.
        lots: Volume.
        entry: Price of the opening.
        price: At which it would be closed at the last quote; 0.0: nobody knows.
        stop: Price; 0.0: none.
        target: Price; 0.0: none.
        since: Event time of the opening.
    """

    side: str
    lots: float
    entry: float
    price: float
    stop: float
    target: float
    since: float


class LastSignal(msgspec.Struct, frozen=True, omit_defaults=True):
    """A strategy's last decision.

    Attributes:
        word: BUY, SELL, HOLD or EXIT.
        time: Event time of its tick.
        action: What was done; see `decision_log.Decision`.
        why: Why nothing, or less, was done; the strategy's own words.
        probability: The model's; None: it has none.
    """

    word: str
    time: float
    action: str
    why: str = ""
    probability: float | None = None


class Row(msgspec.Struct, frozen=True, omit_defaults=True):
    """One strategy.

    Attributes:
        name: Its name.
        symbol: Its symbol.
        state: See ``docs/lifecycle.md``; DEGRADED is RUNNING with a reason.
        why: What is to be known of that state; empty: nothing.
        trading: ACTIVE, REDUCING or HALTED.
        held: By whom its orders are held back, and what it may do; empty: nothing holds them back.
        lock: The same in full: since when, why, until when.
        remedy: The command that takes it off.
        pid: Its process.
        since: When that was spawned.
        ticked: When it took its last tick, by the clock; None: it has taken none.
        rate: Ticks a second.
        bid: Of the last tick.
        ask: Of the last tick.
        day: What its trades of the market's day had made after each of them, from 0; see
            `figures.DAY_POINTS`.
        position: What it holds.
        floating: Profit of that.
        today: `net` of its trades of the market's day (UTC); see `trades.Performance`.
        total: Realised profit less commission, by the ledger.
        trades: Trades that were closed.
        win_rate: Of those, the share with a profit.
        signal: Its last decision.
        warm: Share of the bars that it needs; None: it has them all.
        restarts: Respawns after a death since the supervisor began.
        recovery_ms: From its last death to the first tick afterwards.
        memory: Resident bytes, to the nearest 100,000.
        cpu: Percent of one core.
        former: It is disabled, or in no configuration any more.
    """

    name: str
    symbol: str
    state: str
    total: float
    floating: float
    today: float = 0.0
    why: str = ""
    trading: str = "ACTIVE"
    held: str = ""
    lock: str = ""
    remedy: str = ""
    pid: int | None = None
    since: float | None = None
    ticked: float | None = None
    rate: float = 0.0
    bid: float | None = None
    ask: float | None = None
    day: tuple[float, ...] = ()
    position: Open | None = None
    trades: int = 0
    win_rate: float | None = None
    signal: LastSignal | None = None
    warm: float | None = None
    restarts: int = 0
    recovery_ms: float | None = None
    memory: int = 0
    cpu: float = 0.0
    former: bool = False


class ServiceRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """One service: see `Row`."""

    name: str
    state: str
    why: str = ""
    pid: int | None = None
    restarts: int = 0
    memory: int = 0
    cpu: float = 0.0


class AccountHead(msgspec.Struct, frozen=True, omit_defaults=True):
    """The account.

    Attributes:
        currency: Its currency.
        book: Whose money it is; see `metrics.AccountReport`.
        equity: Balance and floating profit.
        balance: First balance and what all deals made.
        margin: Held by open positions.
        free_margin: Equity less margin.
        floating: Profit of all open positions.
        realised: What all deals made.
        today: `net` of the trades of the market's day (UTC).
        day: That day, ISO 8601.
        drawdown: `trades.Performance.drawdown` of all trades.
        drawdown_today: The same of that day's trades.
        exposure: By currency, what open positions are worth in it: volume times contract size in
            the base currency, and that times the price, the other way, in the quote currency.
        killed: What holds every order back, in words; empty: the kill switch is off.
        why: Why the ledger's figures are missing; empty: they are there.
    """

    currency: str
    book: str
    equity: float
    balance: float
    margin: float
    free_margin: float
    floating: float
    realised: float
    today: float = 0.0
    day: str = ""
    drawdown: float = 0.0
    drawdown_today: float = 0.0
    exposure: dict[str, float] = {}
    killed: str = ""
    why: str = ""


class Trouble(msgspec.Struct, frozen=True):
    """Something that is wrong: see `notes.Note`; and whether it calls for somebody."""

    text: str
    wrong: bool


class Desk(msgspec.Struct, frozen=True, omit_defaults=True):
    """All of it.

    Attributes:
        installation: What people call this system.
        began: When its supervisor began.
        stopping: It has been asked to stop.
        account: None before the gateway's first beat.
        trouble: What is wrong.
        rows: Strategies by name.
        order: Their names, in the order of the YAML; former ones last.
        services: By name.
        market: Where ticks come from.
        market_time: Event time of the newest tick, whole seconds.
        pid: The supervisor's process.
    """

    installation: str
    began: float
    market: str
    pid: int
    stopping: bool = False
    account: AccountHead | None = None
    trouble: tuple[Trouble, ...] = ()
    rows: dict[str, Row] = {}
    order: tuple[str, ...] = ()
    services: dict[str, ServiceRow] = {}
    market_time: float | None = None
