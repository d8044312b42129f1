"""The configuration, as frozen structs: the one place of every field's default and range.

`loading.load_config` turns a YAML file into a :class:`Config`; nothing else constructs these from
outside data. Times are in seconds, money in the account's currency, volumes in lots.
"""

import zlib
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from mt5crs_shared.configuration.execution_structs import (
    AccountConfig,
    ExecutionConfig,
    MarketConfig,
)
from mt5crs_shared.configuration.notify_structs import NotifyConfig, PageConfig
from mt5crs_shared.configuration.values import (
    Address,
    Heartbeat,
    Magic,
    Name,
    Port,
    Seconds,
    Size,
    Timeframe,
    Url,
)
from mt5crs_shared.market.symbol_spec import NotNegative, Positive, Symbol, SymbolSpec
from mt5crs_shared.sockets.curve import KeyPlaces

RESERVED = frozenset(
    {"supervisor", "gateway", "tape", "feed", "notifier", "metrics", "page", "operator"}
)
"""Names of our own processes, whose files a strategy of that name would overwrite, and the one
under which the gateway hears the command line."""

LEAST_MEMORY = 32_000_000
"""Bytes below which no strategy's process ever is."""


class RiskConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one strategy sizes its positions.

    Attributes:
        risk_per_trade: Fraction of equity lost if the stop is hit, in (0, 1].
        max_position_size: Largest position, in lots.
        stop_loss_atr_multiple: Stop distance, in multiples of ATR(14).
        take_profit_risk_reward: Target distance, in multiples of the stop distance.
    """

    risk_per_trade: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.01
    max_position_size: Positive = 0.10
    stop_loss_atr_multiple: Positive = 2.0
    take_profit_risk_reward: Positive = 2.0


class RestartConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a process that died comes back, and when it is given up.

    Attributes:
        first_delay: Seconds before the first respawn.
        backoff: Seconds before the second respawn; doubles with each further death.
        backoff_max: Longest wait between two respawns, in seconds.
        jitter: Random share added to each wait, as a fraction of it.
        healthy_after: Seconds of health after which earlier deaths are forgotten.
        max_deaths: Deaths within `window` that put the process into quarantine.
        window: Seconds over which deaths are counted.
        max_boot_failures: Failures in a row before READY that put it into quarantine.
        retry_after: Seconds after which a quarantined process is tried again; None: only when
            the operator says so.
    """

    first_delay: Annotated[float, Meta(ge=0.0, le=86_400.0)] = 0.0
    backoff: Seconds = 0.5
    backoff_max: Seconds = 30.0
    jitter: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.1
    healthy_after: Seconds = 60.0
    max_deaths: Annotated[int, Meta(ge=1)] = 5
    window: Seconds = 60.0
    max_boot_failures: Annotated[int, Meta(ge=1)] = 3
    retry_after: Seconds | None = None


class LimitsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one strategy's process may use.

    Attributes:
        memory: Resident memory, e.g. ``300MB``, at least 32MB; above it the process is replaced
            by a fresh one after its next bar.
        memory_hard: Above this it is killed at once; None: one and a half times `memory`.
    """

    memory: Size
    memory_hard: Size | None = None

    @property
    def memory_bytes(self) -> int:
        """`memory` in bytes."""
        return _bytes(self.memory)

    @property
    def memory_hard_bytes(self) -> int:
        """`memory_hard` in bytes."""
        if self.memory_hard is None:
            return self.memory_bytes * 3 // 2
        return _bytes(self.memory_hard)


class FeatureApiConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a strategy with ``features: api`` asks for its features.

    Attributes:
        timeout: Seconds that an answer may take, whole; under `max_signal_age`.
        on_failure: What becomes of a bar for which none came: ``hold`` decides nothing, ``local``
            computes the features in the worker.
    """

    timeout: Annotated[float, Meta(ge=0.01, le=60.0)] = 1.0
    on_failure: Literal["hold", "local"] = "hold"


def _bytes(size: str) -> int:
    return int(float(size[:-2]) * {"KB": 1e3, "MB": 1e6, "GB": 1e9}[size[-2:]])


class StrategyConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One strategy: one process, one journal, one log.

    Attributes:
        name: Unique name, of a-z 0-9 _ -; not supervisor, gateway, tape, feed, notifier,
            metrics, page or operator.
        symbol: The symbol it trades, listed in ``symbols.yaml``.
        model_path: XGBoost model (JSON or UBJ). Required unless `strategy` names a class that
            needs none. Absolute once loaded.
        enabled: False: the entry is checked, but no process is started.
        threshold: In (0, 1): BUY if p > threshold, SELL if 1 - p > threshold, else HOLD; where
            both hold, the likelier side.
        risk_config: Sizing.
        timeframe: Length of its bars.
        evaluate: Decide when a bar closes, or on every tick.
        strategy: ``package.module:Class`` of an own `Strategy`; None: the model strategy.
        features: Where a model's features come from: computed in the worker, or asked of the API at
            ``global.feature_api_url`` when a bar closes.
        feature_api: How it is asked.
        params: Handed to that class as they stand.
        magic: The number its orders carry at the broker; None: derived from the name.
        history: CSV of bars that warm it up where the tape does not reach back far enough.
        max_signal_age: A decision older than this when it can be sent is recorded as missed.
        restart: Its own restart policy; None: ``global.supervisor.restart``.
        limits: What its process may use; None: no limit.
        standby: A second process of it is kept warm, and takes over when the first one ends: it
            costs that process's memory, and halves the recovery.
        on_give_up: What becomes of its position when it is QUARANTINED: ``hold`` leaves it to its
            stop and target, ``flatten`` closes it.
    """

    name: Name
    symbol: Symbol
    model_path: str | None = None
    enabled: bool = True
    threshold: Annotated[float, Meta(gt=0.0, lt=1.0)] = 0.5
    risk_config: RiskConfig = RiskConfig()
    timeframe: Timeframe = "M1"
    evaluate: Literal["bar", "tick"] = "bar"
    strategy: Annotated[str, Meta(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*\Z")] | None = None
    features: Literal["local", "api"] = "local"
    feature_api: FeatureApiConfig = FeatureApiConfig()
    params: dict[str, Any] = msgspec.field(default_factory=dict)
    magic: Magic | None = None
    history: str | None = None
    max_signal_age: Annotated[float, Meta(ge=0.01)] = 2.0
    restart: RestartConfig | None = None
    limits: LimitsConfig | None = None
    standby: bool = False
    on_give_up: Literal["hold", "flatten"] = "hold"

    @property
    def magic_number(self) -> int:
        """The magic its orders carry: as configured, or a stable number made of the name."""
        return self.magic if self.magic is not None else zlib.crc32(self.name.encode()) >> 1


class SupervisorConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the supervisor watches its children.

    Attributes:
        heartbeat: Seconds between two beats of a child. One that has nothing new to say beats half
            as often, and with more than 250 strategies all beat more seldom, 500 times a second
            together; but three times within `hang_after` and `lease`.
        hang_after: Seconds without progress of the work loop after which a child is killed.
        start_timeout: Seconds a child may take from its spawn to READY.
        stop_timeout: Seconds between SIGTERM and SIGKILL.
        lease: Seconds that a strategy may go on opening positions without word of the supervisor.
        orphan_grace: Seconds that children outlive a supervisor that died; over a third of `lease`.
        feed_silent_after: Seconds without a tick in an open session until a strategy is DEGRADED.
        degraded_after_errors: Exceptions in a row in a strategy's code until it is DEGRADED.
        restart: The restart policy of every child that has none of its own.
    """

    heartbeat: Heartbeat = 0.5
    hang_after: Seconds = 3.0
    start_timeout: Seconds = 60.0
    stop_timeout: Seconds = 10.0
    lease: Seconds = 5.0
    orphan_grace: Seconds = 30.0
    feed_silent_after: Seconds = 30.0
    degraded_after_errors: Annotated[int, Meta(ge=1)] = 3
    restart: RestartConfig = RestartConfig()


class PaperConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The paper book's market frictions.

    Attributes:
        slippage_points: Added against the order's side, in points (the last digit of the price).
        latency_ms: A market order fills at the first tick at or after its tick plus this time.
        commission_per_lot: Charged at each fill, per lot, in the account's currency.
        leverage: Margin = lots x contract size x price / leverage.
    """

    slippage_points: NotNegative = 0.0
    latency_ms: Annotated[float, Meta(ge=0.0, le=60_000.0)] = 0.0
    commission_per_lot: NotNegative = 0.0
    leverage: Annotated[float, Meta(ge=1.0, le=5_000.0)] = 100.0


class TapeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the tape keeps.

    Attributes:
        ticks_per_symbol: Newest ticks kept in memory for each symbol.
        file_ticks: Ticks in one file on disk; the newest two files are kept.
    """

    ticks_per_symbol: Annotated[int, Meta(ge=1_000, le=5_000_000)] = 100_000
    file_ticks: Annotated[int, Meta(ge=10_000, le=50_000_000)] = 1_000_000


class RetentionConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long the journals' and the ledger's logs are kept; deals are kept for ever.

    Attributes:
        days: Decisions, orders and events older than this are removed.
        rows: So many of each are kept at most, in each journal, and in the ledger.
    """

    days: Annotated[int, Meta(ge=1, le=36_500)] = 90
    rows: Annotated[int, Meta(ge=1_000)] = 200_000


class FeedConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A feed of our own, for when nobody else publishes on `zmq_market_url`.

    Attributes:
        kind: ``synthetic`` or ``replay``.
        speed: Event time runs this many times faster than the clock; 0: as fast as possible.
        seed: Synthetic: same seed, same ticks.
        ticks_per_second: Synthetic: average rate of each symbol, in event time.
        history_minutes: Synthetic: minutes of ticks handed to the tape before the first live one.
        bad_ticks: Synthetic: share of ticks that are spoilt (crossed, zero, NaN, late, far away).
        start: Synthetic: event time of the first live tick, ISO 8601; None: now.
        files: Replay: CSV or CSV.gz files.
        symbol: Replay: what all files quote; None: each is named after its own symbol.
    """

    kind: Literal["synthetic", "replay"] = "synthetic"
    speed: NotNegative = 1.0
    seed: Annotated[int, Meta(ge=0)] = 42
    ticks_per_second: Positive = 4.0
    history_minutes: Annotated[int, Meta(ge=0, le=10_080)] = 360
    bad_ticks: Annotated[float, Meta(ge=0.0, le=0.5)] = 0.0
    start: str | None = None
    files: list[str] = []
    symbol: Symbol | None = None


class RiskRuleConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A risk rule that the gateway asks before it opens a position.

    Attributes:
        rule: One of ours, such as ``max_loss`` (see ``docs/risk.md``), or ``package.module:Class``,
            a subclass of `mt5crs_services.gateway.risk.Rule`.
        scope: What it counts together: the account, each strategy, or each symbol.
        params: Its parameters.
        on_breach: ``refuse`` the order alone; or ``reduce`` or ``halt``: lock besides, the account
            or with another scope the order's strategy, so that it opens nothing any more, or does
            not close either.
        lock_for: Seconds by the wall clock until that lock ends; None: when `unlock` takes it off.
    """

    rule: Annotated[str, Meta(min_length=1)]
    scope: Literal["account", "strategy", "symbol"] = "account"
    params: dict[str, Any] = {}
    on_breach: Literal["refuse", "reduce", "halt"] = "refuse"
    lock_for: Annotated[float, Meta(ge=1.0)] | None = None

    @property
    def name(self) -> str:
        """What its state goes by in the ledger."""
        return f"{self.rule} by {self.scope}"


class GlobalConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What all strategies share: one market socket, one account.

    Attributes:
        zmq_market_url: Where ticks are published (ZMQ PUB).
        zmq_execution_host: Host of the bridge to MetaTrader; see ``docs/live.md``.
        zmq_execution_port: Its port.
        secret_key: File with the secret key of this installation, for connections with a
            `server_key`; `mt5crs-supervisor keys` makes it.
        feature_api_url: Where strategies with ``features: api`` ask, over HTTP or HTTPS.
        default_balance: The paper account's first balance; one that the ledger did not begin with
            is refused by the gateway.
        account_currency: The account's currency.
        paper_trading: Orders go to the paper book; false: to the bridge, see ``docs/live.md``.
        account: The account that the bridge has to be logged into, with `paper_trading: false`.
        execution: How the bridge is spoken to.
        market: How the publisher is to be understood.
        supervisor: Watching and restarting.
        paper: The paper book's frictions.
        tape: What the tape keeps.
        retention: How long logs are kept.
        risk: Risk rules of the gateway, besides those that every order must pass.
        notify: Who is told what has happened; None: nobody.
        metrics: Where figures are served to Prometheus, e.g. ``127.0.0.1:9464``; None: nowhere.
        page: Where everything is shown in a browser; None: nowhere.
        feed: A feed of our own; None: somebody else publishes.
    """

    zmq_market_url: Url = "tcp://localhost:5556"
    zmq_execution_host: str = "localhost"
    zmq_execution_port: Port = 5555
    secret_key: str = "keys/supervisor.key_secret"
    feature_api_url: str = "http://localhost:8000"
    default_balance: Positive = 10_000.0
    account_currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")] = "USD"
    paper_trading: bool = True
    account: AccountConfig | None = None
    execution: ExecutionConfig = ExecutionConfig()
    market: MarketConfig = MarketConfig()
    supervisor: SupervisorConfig = SupervisorConfig()
    paper: PaperConfig = PaperConfig()
    tape: TapeConfig = TapeConfig()
    retention: RetentionConfig = RetentionConfig()
    risk: list[RiskRuleConfig] = []
    notify: NotifyConfig | None = None
    metrics: Address | None = None
    page: PageConfig | None = None
    feed: FeedConfig | None = None

    @property
    def market_keys(self) -> KeyPlaces | None:
        """Where the keys of the market's connections are; None: these are in the clear."""
        server = self.market.server_key
        # A feed of ours is on this machine, whoever else publishes otherwise.
        return None if server is None or self.feed else KeyPlaces(self.secret_key, server)

    @property
    def execution_keys(self) -> KeyPlaces | None:
        """Where the keys of the connection to the bridge are; None: it is in the clear."""
        server = self.execution.server_key
        return None if server is None else KeyPlaces(self.secret_key, server)

    @property
    def execution_url(self) -> str:
        """Where the bridge listens."""
        return f"tcp://{self.zmq_execution_host}:{self.zmq_execution_port}"


class Config(msgspec.Struct, frozen=True):
    """A checked configuration: what the whole installation runs on.

    Attributes:
        path: Absolute path of the YAML file.
        strategies: In the order of the file, disabled ones included.
        globals: The ``global:`` section.
        symbols: Every symbol that a strategy names, and those needed to convert its profit.
        fixed: Fields of ``global:`` that the command line says, whatever the file does.
    """

    path: str
    strategies: tuple[StrategyConfig, ...]
    globals: GlobalConfig
    symbols: dict[str, SymbolSpec]
    fixed: tuple[str, ...] = ()

    @property
    def enabled(self) -> tuple[StrategyConfig, ...]:
        """The strategies that get a process."""
        return tuple(s for s in self.strategies if s.enabled)


decode_config = msgspec.json.Decoder(Config).decode
"""A `ChildSpec.payload` as a `Config`; made at import, so that forked children find it ready."""
