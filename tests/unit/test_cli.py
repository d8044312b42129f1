import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from mt5crs_services.gateway.ledger.ledger import Ledger
from mt5crs_shared.configuration import loading
from mt5crs_shared.control.asking import ControlTimeout, NotRunning
from mt5crs_shared.errors import ConfigError, Mt5crsError, Problem
from mt5crs_supervisor.cli import cli
from mt5crs_supervisor.commands.failures import CommandError, ExitCode, exit_code, unknown_name
from mt5crs_supervisor.commands.records import logview

ROOT = Path(__file__).parents[2]
CONFIG = str(ROOT / "config" / "strategies.yaml")
VERBS = ["demo", "feed", "logs", "orders", "positions", "restart", "start", "status", "stop"]
STATUS_PATH = "import mt5crs_supervisor.cli, mt5crs_supervisor.commands.show"
HELP_PATH = "import mt5crs_supervisor.cli"
HEAVY = {"numpy", "talib", "xgboost", "rich", "psutil", "yaml", "mt5crs_worker"}


def run(var: Path, *arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(cli, ["--var-dir", str(var), *arguments], env=environment)


@pytest.mark.parametrize("verb", [*VERBS, "validate"])
def test_every_verb_explains_itself(verb: str, tmp_path: Path) -> None:
    result = run(tmp_path, verb, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_the_list_of_verbs_cuts_no_sentence(tmp_path: Path) -> None:
    told = run(tmp_path, "--help", COLUMNS="80").output.partition("Commands:")[2]
    assert "..." not in told and " ." not in told
    assert max(map(len, told.splitlines())) <= 80
    for name, verb in cli.commands.items():
        assert verb.short_help and verb.short_help.split()[0] in told, name


def test_the_page_names_every_verb_and_exit_code() -> None:
    page = (ROOT / "docs" / "cli.md").read_text()
    for name in cli.commands:
        assert f"| `{name}" in page
    for code in ExitCode:
        assert f"\n| {code.value} | " in page


@pytest.mark.parametrize(
    "arguments",
    [
        ["strat"],
        ["start", "--duration", "0"],
        ["start", "--unheard-of"],
        ["restart"],
        ["logs", "-n", "-1"],
        ["feed", "replay"],
        ["feed", "replay", "missing.csv"],
    ],
)
def test_usage_errors_end_with_2(arguments: list[str], tmp_path: Path) -> None:
    assert run(tmp_path, *arguments).exit_code == ExitCode.USAGE


@pytest.mark.parametrize(
    "arguments", [["status"], ["status", "--json"], ["stop"], ["restart", "eurusd_trend_v1"]]
)
def test_nothing_running_ends_with_3(arguments: list[str], tmp_path: Path) -> None:
    result = run(tmp_path, *arguments)
    assert result.exit_code == ExitCode.NOT_RUNNING
    hint = "" if arguments == ["stop"] else "; `start` begins one"
    assert result.stderr == f"error: no supervisor is running on {tmp_path}{hint}\n"
    assert result.stdout == ""


def test_a_socket_without_a_supervisor_is_nothing_running(tmp_path: Path) -> None:
    import zmq

    (tmp_path / "run").mkdir()
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        router.bind(f"ipc://{tmp_path / 'run' / 'control.ipc'}")
        assert run(tmp_path, "status").exit_code == ExitCode.NOT_RUNNING


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError((Problem("f.yaml", 1, 1, "", "bad"),)), 4),
        (NotRunning("nobody"), 3),
        (ControlTimeout("late"), 5),
        (CommandError("so"), 1),
        (CommandError("so", ExitCode.USAGE), 2),
        (Mt5crsError("other"), 1),
    ],
)
def test_errors_have_their_exit_code(error: Mt5crsError, code: int) -> None:
    assert exit_code(error) == code


def test_an_unknown_name_gets_the_nearest_and_all() -> None:
    error = unknown_name("eurusd_trnd", ["gateway", "eurusd_trend_v1"], "child")
    assert str(error) == (
        "there is no child called eurusd_trnd. Did you mean eurusd_trend_v1? "
        "There are: eurusd_trend_v1, gateway."
    )


class TestValidate:
    def test_lists_the_strategies(self, tmp_path: Path) -> None:
        result = run(tmp_path, "validate", CONFIG)
        lines = result.stdout.splitlines()
        assert result.exit_code == 0
        assert lines[0].split()[:4] == ["eurusd_trend_v1", "EURUSD", "M1", "enabled"]
        assert "disabled" in lines[2]
        assert lines[3] == "3 strategies, 2 enabled: valid"

    def test_prints_each_problem_on_a_line(self, tmp_path: Path) -> None:
        bad = tmp_path / "strategies.yaml"
        text = Path(CONFIG).read_text().replace("threshold: 0.55", "threshhold: 0.55")
        bad.write_text(text.replace("threshold: 0.50", "threshold: 5"))
        (tmp_path / "symbols.yaml").write_text((ROOT / "config" / "symbols.yaml").read_text())
        (tmp_path / "models").symlink_to(ROOT / "models")
        result = run(tmp_path, "validate", str(bad))
        assert result.exit_code == ExitCode.CONFIGURATION
        assert len(result.stderr.splitlines()) == 3  # two, and what was not tried
        assert "did you mean threshold?" in result.stderr.splitlines()[0]
        assert "Traceback" not in result.output

    @pytest.mark.parametrize("text", ["strategies: [", "", "- just\n- a list\n", "\x00"])
    @pytest.mark.parametrize("verb", ["validate", "start", "demo"])
    def test_bad_yaml_ends_with_4(self, verb: str, text: str, tmp_path: Path) -> None:
        bad = tmp_path / "strategies.yaml"
        bad.write_text(text)
        result = run(tmp_path / "var", verb, "--config", str(bad))
        assert result.exit_code == ExitCode.CONFIGURATION
        assert str(bad) in result.stderr
        assert not (tmp_path / "var").exists(), "a refused configuration leaves no traces"

    def test_a_missing_file_ends_with_4(self, tmp_path: Path) -> None:
        result = run(tmp_path, "validate", MT5CRS_CONFIG=str(tmp_path / "none.yaml"))
        assert result.exit_code == ExitCode.CONFIGURATION


class TestBooks:
    def test_an_empty_ledger_is_a_sentence_or_an_empty_list(self, tmp_path: Path) -> None:
        said = run(tmp_path, "positions").stdout
        assert said.startswith(f"There is no ledger in {tmp_path}: nothing has run there.")
        Ledger(tmp_path / "ledger.db", "USD", 1_000.0).close()
        assert run(tmp_path, "positions").stdout == "There are no open positions.\n"
        assert run(tmp_path, "orders").stdout == "There are no orders yet.\n"
        assert json.loads(run(tmp_path, "positions", "--json").stdout) == []
        assert json.loads(run(tmp_path, "orders", "--json").stdout) == []

    def test_a_strategy_without_orders_is_known(self, tmp_path: Path) -> None:
        Ledger(tmp_path / "ledger.db", "USD", 1_000.0).close()
        result = run(tmp_path, "orders", "eurusd_trend_v1", "--config", CONFIG)
        assert result.stdout == "There are no orders of eurusd_trend_v1 yet.\n"

    def test_an_unknown_strategy_is_refused(self, tmp_path: Path) -> None:
        result = run(tmp_path, "orders", "eurusd_trend", "--config", CONFIG)
        assert result.exit_code == ExitCode.USAGE
        assert "Did you mean eurusd_trend_v1?" in result.stderr

    def test_a_ledger_that_is_none_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "ledger.db").write_text("nothing of the kind")
        assert run(tmp_path, "positions").exit_code == ExitCode.ERROR


class TestLogs:
    @pytest.fixture
    def log(self, tmp_path: Path) -> Path:
        (tmp_path / "log").mkdir()
        path = tmp_path / "log" / "gateway.log"
        records = [
            {"time": f"t{n}", "level": "INFO", "logger": "x", "pid": 1, "message": f"m{n}", "n": n}
            for n in range(80)
        ]
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
        return path

    def test_the_last_fifty(self, log: Path, tmp_path: Path) -> None:
        lines = run(tmp_path, "logs", "gateway").stdout.splitlines()
        assert len(lines) == 50
        assert lines[-1] == "t79 INFO    m79 n=79"

    def test_as_many_as_wanted(self, log: Path, tmp_path: Path) -> None:
        assert len(run(tmp_path, "logs", "gateway", "-n", "3").stdout.splitlines()) == 3
        assert run(tmp_path, "logs", "gateway", "-n", "0").stdout == ""

    def test_a_line_that_is_no_json_is_shown_as_it_is(self, log: Path, tmp_path: Path) -> None:
        with log.open("ab") as file:
            file.write(b"torn {\n\xff\xfe\x1b[2J\n")
        lines = run(tmp_path, "logs", "gateway", "-n", "2").stdout.splitlines()
        assert lines[0] == "torn {"
        assert "\x1b" not in lines[1]

    def test_a_traceback_follows_its_line(self) -> None:
        record = {"time": "t", "level": "ERROR", "message": "oops", "exception": "a\n  b"}
        assert logview.formatted(json.dumps(record).encode()).splitlines()[1:] == [
            "    a",
            "      b",
        ]

    def test_what_was_printed_keeps_its_indentation(self) -> None:
        record = {"time": "t", "level": "WARNING", "message": "    x = 1\n\t^^^\x1b"}
        shown = click.unstyle(logview.formatted(json.dumps(record).encode())).splitlines()
        assert shown == ["t WARNING     x = 1", "        ^^^\ufffd"]

    def test_an_unknown_name(self, log: Path, tmp_path: Path) -> None:
        result = run(tmp_path, "logs", "gatway")
        assert result.exit_code == ExitCode.USAGE
        assert "Did you mean gateway?" in result.stderr

    def test_no_logs_at_all(self, tmp_path: Path) -> None:
        assert run(tmp_path, "logs").exit_code == ExitCode.ERROR

    def test_several_logs_in_one_order(self, tmp_path: Path) -> None:
        (tmp_path / "log").mkdir()

        def write(name: str, *moments: tuple[str, str]) -> None:
            lines = [
                json.dumps({"time": f"2026-11-26T{t}:00+00:00", "level": level, "message": name})
                for t, level in moments
            ]
            (tmp_path / "log" / name).write_text("\n".join(lines) + "\ntorn {\n")

        write("euro.log.1", ("01:00", "ERROR"), ("02:00", "INFO"))
        write("euro.log", ("03:00", "INFO"), ("05:00", "WARNING"))
        write("tape.log", ("04:00", "CRITICAL"), ("06:00", "INFO"))
        whole = run(tmp_path, "logs", "--all", "--since", "2026-11-26T01:30Z")
        assert [line.split()[1][11:13] for line in whole.stdout.splitlines()] == [
            *("02", "03", "04", "05", "06")
        ]
        grave = run(tmp_path, "logs", "--all", "--level", "warning").stdout.splitlines()
        assert [line.split()[0] for line in grave] == ["euro", "tape", "euro"]
        newest = run(tmp_path, "logs", "--all", "-n", "1").stdout
        assert newest.startswith("tape 2026-11-26T06")
        alone = run(tmp_path, "logs", "euro", "--level", "error").stdout
        assert alone.startswith("2026-11-26T01")
        assert run(tmp_path, "logs", "eur", "--level", "error").exit_code == ExitCode.USAGE
        for wrong in (["euro", "--all"], ["--all", "-f"], ["--all", "--since", "soon"]):
            assert run(tmp_path, "logs", *wrong).exit_code == ExitCode.USAGE

    def test_a_search_from_the_end_finds_every_line(self, tmp_path: Path) -> None:
        (tmp_path / "log").mkdir()
        lines = [
            json.dumps({"time": f"2026-11-26T00:00:00.{n:06}+00:00", "message": "m" * (n % 997)})
            for n in range(3_000)
        ]
        (tmp_path / "log" / "euro.log").write_text("\n".join(lines) + "\n")
        assert run(tmp_path, "logs", "--all", "-n", "9999").stdout == ""
        levelled = [line[:-1] + ', "level": "INFO"}' for line in lines]
        (tmp_path / "log" / "euro.log").write_text("\n".join(levelled) + "\n")
        assert len(run(tmp_path, "logs", "--all", "-n", "9999").stdout.splitlines()) == 3_000

    def test_follows_over_a_rotation(self, log: Path) -> None:
        steps = iter(["append", "rotate", "append", "end"])

        class EndError(Exception):
            pass

        def pause() -> None:
            step = next(steps)
            if step == "append":
                with log.open("ab") as file:
                    file.write(b"appended\n")
            elif step == "rotate":
                with log.open("ab") as file:
                    file.write(b"last of the old\n")
                log.rename(log.with_suffix(".log.1"))
                log.write_bytes(b"first of the new\n")
            else:
                raise EndError

        file = log.open("rb")
        logview.last_lines(file, 1)
        seen = []
        with pytest.raises(EndError):
            for line in logview.followed(log, file, pause):
                seen.append(line)
        assert seen == [b"appended", b"last of the old", b"first of the new", b"appended"]


class TestFeed:
    def test_a_share_of_bad_ticks_over_one_half_is_refused(self, tmp_path: Path) -> None:
        result = run(tmp_path, "feed", "synthetic", "--config", CONFIG, "--bad-ticks", "0.9")
        assert result.exit_code == ExitCode.USAGE
        assert "--bad-ticks 0.9: expected" in result.stderr

    def test_an_unknown_symbol_gets_the_nearest(self, tmp_path: Path) -> None:
        result = run(tmp_path, "feed", "synthetic", "--config", CONFIG, "--symbol", "EURUSB")
        assert result.exit_code == ExitCode.USAGE
        assert "Did you mean EURUSD?" in result.stderr


@pytest.mark.parametrize("code", [HELP_PATH, STATUS_PATH])
def test_help_and_status_load_nothing_heavy(code: str) -> None:
    result = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert HEAVY.isdisjoint(result.stdout.split())


def test_the_package_itself_is_cheap_and_offers_the_runner() -> None:
    code = (
        "import mt5crs_supervisor, sys; before = 'zmq' in sys.modules; "
        "print(before, mt5crs_supervisor.MultiStrategyRunner.__name__)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout == "False MultiStrategyRunner\n"


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--speed", "-1", "error: --speed -1.0: expected a number >= 0\n"),
        ("--bad-ticks", "2", "error: --bad-ticks 2.0: expected a number >= 0 and <= 0.5\n"),
        ("--seed", "-1", "error: --seed -1: expected a whole number >= 0\n"),
    ],
)
def test_a_bad_figure_of_a_feed_is_named(
    tmp_path: Path, option: str, value: str, words: str
) -> None:
    config = str(Path(__file__).parents[2] / "config" / "strategies.yaml")
    result = run(tmp_path, "--config", config, "feed", "synthetic", option, value)
    assert (result.exit_code, result.stderr) == (ExitCode.USAGE, words)


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("mt5crs-supervisor ev", ["events"]),
        ("mt5crs-supervisor --var-dir {var} explain eur", ["eurusd_trend_v1"]),
        ("mt5crs-supervisor restart --var-dir {var} ", ["eurusd_trend_v1", "gateway"]),
    ],
)
def test_shells_complete_verbs_and_names(tmp_path: Path, words: str, offered: list[str]) -> None:
    (tmp_path / "log").mkdir()
    for name in ("eurusd_trend_v1", "gateway"):
        (tmp_path / "log" / f"{name}.log").touch()
    line = words.format(var=tmp_path)
    found = subprocess.run(
        [sys.executable, "-m", "mt5crs_supervisor"],
        env={
            **os.environ,
            "_MT5CRS_SUPERVISOR_COMPLETE": "bash_complete",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(line.split(" ")) - 1),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert [answer.partition(",")[2] for answer in found.stdout.splitlines()] == offered


def test_the_version_says_what_it_runs_on(tmp_path: Path) -> None:
    said = run(tmp_path, "--version").output
    assert said.startswith("mt5crs-supervisor ")
    assert f"Python {platform.python_version()}, " in said


class TestConfig:
    def test_what_it_prints_is_the_same_configuration(self, tmp_path: Path) -> None:
        shown = run(tmp_path, "config", "--config", CONFIG).stdout
        file = tmp_path / "strategies.yaml"
        file.write_text(shown)
        shutil.copy(Path(CONFIG).with_name("symbols.yaml"), tmp_path)
        one, other = loading.load_config(Path(CONFIG)), loading.load_config(file)
        assert (one.strategies, one.globals) == (other.strategies, other.globals)
        assert "max_signal_age: 2.0" in shown, "defaults are there, too"

    def test_of_one_strategy_of_nobody_and_of_what_does_not_run(self, tmp_path: Path) -> None:
        one = json.loads(run(tmp_path, "config", "eurusd_trend_v1", "--json").stdout)
        assert one["symbol"] == "EURUSD" and one["evaluate"] == "bar"
        assert "Did you mean eurusd_trend_v1?" in run(tmp_path, "config", "eurusd_trend").stderr
        assert run(tmp_path, "config", "--running").exit_code == ExitCode.NOT_RUNNING
