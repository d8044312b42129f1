"""Files that must be refused, and what the refusal must say."""

from pathlib import Path

SHIPPED = Path(__file__).parents[2] / "config"
YAML = (SHIPPED / "strategies.yaml").read_text()
SYMBOLS = (SHIPPED / "symbols.yaml").read_text()

# (text in the shipped file, what replaces it, what the message must hold)
BAD_FIELDS = [
    (
        "risk_per_trade",
        "risk_per_trde",
        ":12:7 strategies[eurusd_trend_v1].risk_config.risk_per_trde: unknown key; did you mean "
        "risk_per_trade?",
    ),
    (
        "enabled: true",
        "enabld: true",
        ":9:5 strategies[eurusd_trend_v1].enabld: unknown key; did you mean enabled?",
    ),
    ("strategies:", "default_balance: 5.0\nstrategies:", "did you mean global.default_balance?"),
    (
        "    threshold: 0.55",
        "    risk_per_trade: 0.01",
        "strategies[eurusd_trend_v1].risk_per_trade: unknown key; did you mean "
        "risk_config.risk_per_trade?",
    ),
    (
        "threshold: 0.55",
        "zzz: 1",
        "strategies[eurusd_trend_v1].zzz: unknown key; expected one of name, symbol,",
    ),
    ("global:", "globl:", "globl: unknown key; did you mean global?"),
    (
        "threshold: 0.55",
        'threshold: "0.55"',
        ":10:16 strategies[eurusd_trend_v1].threshold: '0.55' (text); expected a number > 0 and <",
    ),
    (
        "threshold: 0.55",
        "threshold: 1.5",
        "strategies[eurusd_trend_v1].threshold: 1.5; expected a number > 0 and < 1",
    ),
    (
        "threshold: 0.55",
        "threshold: true",
        "strategies[eurusd_trend_v1].threshold: true (yes or no); expected a number",
    ),
    ("threshold: 0.55", "threshold: .nan", "'.nan'; expected a finite decimal number"),
    ("threshold: 0.55", "threshold: .inf", "'.inf'; expected a finite decimal number"),
    ("threshold: 0.55", "threshold: 1e999", "'1e999'; expected a finite decimal number"),
    ("threshold: 0.55", f"threshold: {'9' * 5000}", "expected a finite decimal number"),
    (
        "threshold: 0.55",
        "threshold: 1:30",
        "a time in quotes; YAML reads this in base 60; did you mean",
    ),
    (
        "threshold: 0.55",
        "threshold:",
        "strategies[eurusd_trend_v1].threshold: empty; expected a number",
    ),
    (
        "threshold: 0.55",
        "threshold: [0.5]",
        "strategies[eurusd_trend_v1].threshold: a list; expected a number",
    ),
    ("threshold: 0.55", "threshold: !!python/name:os.system x", "without the tag"),
    ("threshold: 0.55", "magic: 0123", "leading zero as octal; did you mean 123?"),
    (
        "threshold: 0.55",
        "magic: 2147483648",
        "strategies[eurusd_trend_v1].magic: 2147483648; expected a whole number >= 0 and <=",
    ),
    ("threshold: 0.55", "timeframe: m1", "did you mean M1?"),
    ("threshold: 0.55", "params: 5", "strategies[eurusd_trend_v1].params: 5; expected a mapping"),
    (
        "threshold: 0.55",
        'params: {a: ["\\ud800"]}',
        "strategies[eurusd_trend_v1].params.a[0]: '\\ud800'; expected text without half a",
    ),
    ("threshold: 0.55", "restart: 3", "strategies[eurusd_trend_v1].restart: 3; expected a mapping"),
    ("threshold: 0.55", "strategy: package.module", "expected package.module:Class"),
    ("enabled: true", 'enabled: "true"', "'true' (text); expected true or false"),
    ("name: eurusd_trend_v1", "name: 123", 'did you mean "123" in quotes?'),
    *(
        (
            "name: eurusd_trend_v1",
            f"name: {name}",
            f"strategies[{name}].name: {name}; expected another name: this one is a process of",
        )
        for name in ("gateway", "tape", "feed", "supervisor")
    ),
    ("name: eurusd_trend_v1", 'name: "a\\n"', "expected a name of a-z"),
    ("symbol: EURUSD", 'symbol: "EURUSD\\n"', "expected a symbol such as EURUSD"),
    ("threshold: 0.55", 'strategy: "a:B\\n"', "expected package.module:Class"),
    *(
        ("zmq_market_url: tcp://localhost:5556", f"zmq_market_url: '{url}'", "expected tcp://host:")
        for url in (
            *(
                "tcp://localhost",
                "tcp://:::",
                "tcp://*:5556",
                "tcp://a b:5556",
                "tcp://:5556",
                "tcp://ö:5556",
            ),
            *("tcp://localhost:0", "ipc://", f"ipc://{'x' * 101}"),
        )
    ),
    (
        "zmq_market_url: tcp://localhost:5556",
        "zmq_market_url: tcp://localhost:65536",
        "zmq_market_url: tcp://localhost:65536; expected a port of 1 to 65535",
    ),
    ("threshold: 0.55", "max_signal_age: 1e-9", "max_signal_age: 1e-9; expected a number >= 0.01"),
    ("threshold: 0.55", "limits: {memory: 0MB}", "limits.memory: 0MB; expected at least 32MB"),
    ("threshold: 0.55", "limits: {memory: 300}", "size such as 300MB; did you mean 300MB?"),
    (
        "threshold: 0.55",
        "limits: {memory: 300MB, memory_hard: 0.2GB}",
        "limits.memory_hard: 0.2GB, not above memory, 300MB; expected more than 300MB",
    ),
    ("name: eurusd_trend_v1", "name: EurUsd", "'EurUsd' (text); expected a name of a-z"),
    (
        "  - name: eurusd_trend_v1\n    symbol",
        "  - symbol",
        "strategies[0].name: missing; expected a name of",
    ),
    (
        "symbol: EURUSD",
        "symbol: EURUSD\n    symbol: GBPUSD",
        ":8:5 strategies[eurusd_trend_v1].symbol: duplicate key, first set in line 7",
    ),
    (
        "symbol: EURUSD",
        "symbol: eurusd",
        "unknown symbol eurusd; expected a symbol of symbols.yaml; did you mean EURUSD?",
    ),
    ("symbol: EURUSD", "symbol: EURSUD", "did you mean EURUSD?"),
    (
        "zmq_execution_port: 5555",
        "zmq_execution_port: 5555.5",
        "global.zmq_execution_port: 5555.5; expected a whole number >= 1 and <= 65535",
    ),
    (
        "zmq_market_url: tcp://localhost:5556",
        "zmq_market_url: localhost",
        "expected tcp://host:port, or ipc://path",
    ),
    (
        "paper_trading: true",
        "paper_trading: no",
        "global.paper_trading: false, and nothing says which account may be traded, nor limits",
    ),
    (
        "gbpusd_pairtrading_v1",
        "eurusd_trend_v1",
        ":18:11 strategies[1].name: eurusd_trend_v1 is already the name of strategies[0]",
    ),
    (
        "max_position_size: 0.10",
        "max_position_size: 0.001",
        "0.001 lots, under the smallest lot of EURUSD, 0.01",
    ),
    (
        "max_position_size: 0.10",
        "max_position_size: 1000",
        "1000 lots, over the largest order of EURUSD, 100",
    ),
    (
        "    model_path: models/baseline_v1.json\n",
        "",
        "strategies[eurusd_trend_v1].model_path: missing; expected the path of an XGBoost model",
    ),
    ("threshold: 0.55", "history: models", "strategies[eurusd_trend_v1].history: no file 'models'"),
    ("threshold: 0.55", 'history: "a\\0b"', "strategies[eurusd_trend_v1].history: no file"),
    ("threshold: 0.55", f"history: {'x' * 5000}", "strategies[eurusd_trend_v1].history: no file"),
]

# (a line of the global section, message)
BAD_GLOBALS = [
    (
        "risk: [{rule: max_loss, params: {most: 1}, lock_for: 60}]",
        "global.risk[0].lock_for: 60, and nothing locks; expected on_breach: reduce, or halt",
    ),
    ("metrics: 9464", "global.metrics: 9464; expected"),
    ("metrics: localhost", "expected host:port, such as 127.0.0.1:9464"),
    ("metrics: localhost:70000", "global.metrics: localhost:70000; expected a port of 1 to 65535"),
    (
        "notify: {to: [{name: a, address: tgram://12345:TOKEN/chat}]}",
        "global.notify.to[0].address: something else, which is not shown here; expected env:NAME",
    ),
    ("notify: {to: []}", "global.notify.to: nobody; expected at least one destination"),
    (
        "notify: {to: [{name: a, address: tgram://1/2}]}",
        "expected env:NAME of a variable, or file:",
    ),
    (
        "notify: {to: [{name: a, address: env:A}, {name: a, address: env:B}]}",
        "global.notify.to[1].name: a; expected a unique name",
    ),
    (
        "notify: {to: [{name: a, address: env:A}], rules: [{kinds: [quarantine]}]}",
        "global.notify.rules[0].kinds: quarantine; expected one of",
    ),
    (
        "notify: {to: [{name: a, address: env:A}], rules: [{}, {to: [b]}]}",
        "global.notify.rules[1].to: b; expected one of a",
    ),
    (
        "notify: {to: [{name: a, address: env:A}], rules: [{names: [eurusd]}]}",
        "global.notify.rules[0].names: eurusd; expected one of",
    ),
    (
        'notify: {to: [{name: a, address: env:A}], quiet_hours: {begin: "22:00", end: "22:00"}}',
        "global.notify.quiet_hours.end: no hours: it ends when it begins",
    ),
    (
        'notify: {to: [{name: a, address: env:A}], quiet_hours: {begin: "25:00", end: "07:00"}}',
        "expected a time of day such as 22:00",
    ),
    (
        "notify: {to: [{name: a, address: env:A}],"
        ' quiet_hours: {begin: "22:00", end: "07:00", time_zone: Europe/Athen}}',
        "did you mean Europe/Athens?",
    ),
    (
        "supervisor: {heartbeat: 2, lease: 10}",
        "hang_after: 3 s with a heartbeat of 2 s; expected more than two heartbeats, 4 s",
    ),
    ("supervisor: {lease: 1}", "global.supervisor.lease: 1 s with a heartbeat of 0.5 s"),
    (
        "supervisor: {heartbeat: 1e-9}",
        "supervisor.heartbeat: 1e-9; expected a number >= 0.05 and <= 60",
    ),
    ("supervisor: {stop_timeout: 1e-9}", "stop_timeout: 1e-9; expected a number >= 0.01"),
    ("supervisor: {restart: {backoff: 1e-9}}", "backoff: 1e-9; expected a number >= 0.01"),
    (
        "supervisor: {orphan_grace: 1}",
        "orphan_grace: 1 s with a lease of 5 s; expected more than a third of the lease, 1.66667 s",
    ),
    ("supervisor: {hertbeat: 1}", "unknown key; did you mean heartbeat?"),
    (
        "supervisor: {restart: {max_death: 5}}",
        "global.supervisor.restart.max_death: unknown key; did you mean max_deaths?",
    ),
    (
        "supervisor: {restart: {backoff: 30}}",
        "5 deaths never fall within 60 s, since the 4 respawns between them wait up to 66 s",
    ),
    ("supervisor: {restart: {max_deaths: 20}}", "it would never give up"),
    ("supervisor: {restart: {max_deaths: 1000000000}}", "it would never give up"),
    ("supervisor: {restart: {first_delay: 60, max_deaths: 2}}", "it would never give up"),
    ("supervisor: {restart: {max_deaths: 1}}", "nothing ever retries it"),
    ("supervisor: {restart: {backoff: 31}}", "31 s, over backoff_max 30 s"),
    (
        "paper: {slipage_points: 1}",
        "global.paper.slipage_points: unknown key; did you mean slippage_points?",
    ),
    (
        "tape: {ticks_per_symbol: 5}",
        "global.tape.ticks_per_symbol: 5; expected a whole number >= 1000",
    ),
    (
        "market: {time_zone: Europe/Athen}",
        "global.market.time_zone: 'Europe/Athen'; expected a time zone such as Europe/Athens; did "
        "you mean Europe/Athens?",
    ),
    ("market: {time_zone: Athens}", "did you mean Europe/Athens?"),
    ("market: {time_zone: europe/athens}", "did you mean Europe/Athens?"),
    *(
        (f"market: {{time_zone: {name}}}", "; expected a time zone such as Europe/Athens")
        for name in ("''", "Europe", "../x", "/etc/localtime", "leapseconds", "x" * 300)
    ),
    ("market: {time_zone: 2}", "global.market.time_zone: 2; expected text"),
    ("market: {timezone: Europe/Athens}", "unknown key; did you mean time_zone?"),
    ("feed: {kind: reply}", "did you mean replay?"),
    ("feed: {kind: replay}", "global.feed.files: nothing to replay"),
    ("feed: {kind: replay, files: [ticks.csv]}", "global.feed.files: no file 'ticks.csv'"),
    (
        "feed: {kind: replay, files: [5]}",
        'global.feed.files[0]: 5; expected text; did you mean "5" in quotes?',
    ),
    ("feed: {kind: replay, files: a.csv}", "global.feed.files: 'a.csv' (text); expected a list"),
    (
        "feed: {files: [models/baseline_v1.json]}",
        "files, but the feed is synthetic; expected kind: replay",
    ),
    (
        "feed: {kind: replay, files: [config/symbols.yaml]}",
        "global.feed.files[0]: symbols.yaml holds symbols, which no enabled strategy trades; "
        "expected EURUSD, GBPUSD; symbol: says what",
    ),
    ("feed: {start: soon}", "'soon'; expected a time such as"),
]

# (the whole file, message)
BAD_DOCUMENTS = [
    ("", "config/strategies.yaml: the file is empty"),
    ("# only a comment\n", "the file is empty"),
    ("hello", ":1:1: not a mapping"),
    ("- a", ":1:1: not a mapping"),
    ("strategies: []", "strategies: no strategies"),
    ("strategies: 5", "strategies: not a list"),
    ("global: {}", "strategies: no strategies"),
    ("strategies:\n\t- a", ":2:1: a tab; expected spaces"),
    ("strategies: [a\n", ":1:13: a [ that is never closed; expected ]"),
    ("strategies: [a\nglobal: {}\n", ":1:13: a [ that is never closed; expected ]"),
    (
        "strategies:\n  - name: a\n    symbol: EURUSD\n   enabled: true\n",
        ":4:4: a line that begins in column 4; line 3 begins in column 5; expected the column of "
        "its neighbours\n    3 |     symbol: EURUSD\n    4 |    enabled: true\n      |    ^",
    ),
    (
        "strategies:\n  - name: a\n\n    symbol: EURUSD\n     enabled: true\n",
        ":5:6: a line that begins in column 6; line 4 begins in column 5; expected",
    ),
    ("strategies:\n  - name: a\n   - name: b\n", ":3:6: a line that begins in column 6; line 2"),
    (
        "strategies:\n  - name: a\n global:\n  x: 1\n",
        ":3:2: a line that begins in column 2; line 2",
    ),
    (
        'strategies:\n  - name: "a\n    symbol: EURUSD\nglobal: {}\n',
        ":2:11: a quote that is never closed; expected a second one, on the same line\n"
        '    1 | strategies:\n    2 |   - name: "a\n      |           ^',
    ),
    ('strategies:\n  - name: "a\n    symbol: "b"\n', ":3:14: text after the end of a quoted one"),
    ("strategies: a: b\n", ":1:14: a second ': ' in one line; expected text that holds"),
    (
        "strategies:\n  - name: a\n    symbol EURUSD\n    enabled: true\n",
        ":3:5: a line without ': '; expected key: value",
    ),
    ("strategies\n  - a: 1\n", ":1:1: a line without ':'; expected key: or key: value"),
    ("strategies: @a\n", ":1:13: text that begins with '@'; expected it in quotes"),
    ("strategies: []\n---\na: 1\n", ":2:1: not valid YAML: but found another document"),
    ("strategies: *nowhere", "found undefined alias"),
    (bytes(range(256)), ":2:118: not UTF-8 text"),
    (b"a: \0", "binary data"),
    (b"a: 1\nb: \x07", ":2:4: the character '\\x07'"),
    (YAML.encode("utf-16"), ":1:1: not UTF-8 text"),
    (b"#" * 1_000_001, "over 1,000,000 bytes"),
    ("a: &a [*a]", "more than 40 levels deep"),
    ("[" * 100_000, "more than 40 levels deep"),
    ("- a\n" * 200_000, "more than 20,000 values"),
    ("strategies: {[a]: 1}", "a key that is not plain text"),
]

# (text in the shipped symbols file, what replaces it, message)
BAD_SYMBOLS = [
    ("digits: 5", "digit: 5", "symbols[0].digit: unknown key; did you mean digits?"),
    ("digits: 5", "digits: 5.5", "symbols[0].digits: 5.5; expected a whole number"),
    ("lot_min: 0.01", "lot_min: 500", "symbols[0].lot_min: 500 lots, over lot_max 100"),
    ("name: GBPUSD", "name: EURUSD", "symbols[1].name: EURUSD is already in line 5"),
    ("quote_currency: USD", "quote_currency: usd", "expected three capital letters such as USD"),
    ("symbols:", "symbol:", "symbol: unknown key; did you mean symbols?"),
]
