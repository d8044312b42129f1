"""`keys`, and what a configuration may say of connections beyond this machine."""

import os
import stat
import threading
from pathlib import Path

import msgspec
import pytest
import zmq
from click.testing import CliRunner, Result
from zmq.auth import load_certificate

from mt5crs_services.mt5_gateway.settings import load_settings
from mt5crs_shared.configuration.loading import config_hash, load_config
from mt5crs_shared.configuration.structs import Config
from mt5crs_shared.errors import ConfigError
from mt5crs_shared.sockets import curve
from mt5crs_shared.sockets.client_list import read_known
from mt5crs_shared.sockets.curve import CurvePair, KeyFileError, KeyPlaces, read_keys, read_pair
from mt5crs_shared.sockets.opening import is_local
from mt5crs_supervisor.cli import cli
from tests.unit.config_cases import SYMBOLS, YAML

REMOTE = "tcp://192.168.1.20:5556"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project, and the shell in it."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "baseline_v1.json").write_text("{}")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "symbols.yaml").write_text(SYMBOLS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made(*options: str) -> Result:
    return CliRunner().invoke(cli, ["keys", *options])


def secret_of(file: Path) -> str:
    _, secret = load_certificate(file)
    assert secret is not None
    return secret.decode()


def test_keys_are_of_this_user_alone_and_no_secret_is_shown(desk: Path) -> None:
    before = os.umask(0)
    try:
        result = made("--for", "gateway")
    finally:
        os.umask(before)
    assert result.exit_code == 0, result.output
    secrets = sorted(desk.rglob("*.key_secret"))
    assert [str(file.relative_to(desk)) for file in secrets] == [
        "keys/for-gateway/gateway.key_secret",
        "keys/supervisor.key_secret",
    ]
    for file in secrets:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        assert secret_of(file) not in result.output
    for file in sorted((desk / "keys").glob("*.key")):
        public, secret = load_certificate(file)
        assert secret is None
        assert public.decode() in result.output
    assert "market: {server_key: keys/gateway.key}" in result.output
    assert sorted(file.name for file in (desk / "keys").iterdir()) == [
        "for-gateway",
        "gateway.key",
        "supervisor.key",
        "supervisor.key_secret",
    ]


def test_a_key_that_is_there_is_never_changed(desk: Path) -> None:
    made("--for", "gateway")
    before = {file: file.read_bytes() for file in desk.rglob("*.key*")}
    assert made("--for", "gateway").exit_code == 0
    assert {file: file.read_bytes() for file in desk.rglob("*.key*")} == before
    # Carried to the other machine, the gateway's secret is not made anew here.
    for file in (desk / "keys" / "for-gateway").iterdir():
        file.unlink()
    (desk / "keys" / "for-gateway").rmdir()
    assert made("--for", "gateway").exit_code == 0
    assert not (desk / "keys" / "for-gateway").exists()


def test_many_at_once_make_one_pair(desk: Path) -> None:
    runs = [threading.Thread(target=lambda: made(str(desk / "keys"))) for _ in range(8)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    pair = read_pair(desk / "keys" / "supervisor.key_secret")
    assert load_certificate(desk / "keys" / "supervisor.key")[0] == pair.public


def test_what_is_missing_or_not_private_is_told_with_what_to_do(desk: Path) -> None:
    made()
    secret, public = desk / "keys" / "supervisor.key_secret", desk / "keys" / "supervisor.key"
    public.unlink()
    assert made().exit_code == 0, "the public key stands in the file of the secret one"
    secret.chmod(0o640)
    result = made()
    assert result.exit_code == 1
    assert "chmod 600 keys/supervisor.key_secret" in result.output
    secret.unlink()
    result = made()
    assert result.exit_code == 1
    assert "put it back from a copy" in result.output
    for bad in ("supervisor", "../x", "A"):
        assert made("--for", bad).exit_code == 2


def test_the_gateways_folder_lets_in_the_supervisor_alone(desk: Path) -> None:
    made("--for", "gateway")
    carried = desk / "keys" / "for-gateway"
    own = read_pair(desk / "keys" / "supervisor.key_secret")
    assert read_known(carried).clients == {own.public: "supervisor"}
    (carried / "supervisor.key").unlink()
    with pytest.raises(KeyFileError, match="nobody would be let in"):
        read_known(carried)
    file = desk / "mt5crs-gateway.yaml"
    file.write_text("login: 1\nserver: x\nsymbols: [EURUSD]\nkeys: keys\n")
    assert load_settings(file).keys == str(desk / "keys")


def load(desk: Path, settings: str, url: str = REMOTE) -> Config:
    text = YAML.replace("zmq_market_url: tcp://localhost:5556", f"zmq_market_url: {url}")
    assert url in text
    (desk / "config" / "strategies.yaml").write_text(f"{text}\n{settings}")
    return load_config(Path("config/strategies.yaml"))


def refused(desk: Path, settings: str, url: str = REMOTE) -> str:
    with pytest.raises(ConfigError) as caught:
        load(desk, settings, url)
    return str(caught.value)


LIVE = "  account: {login: 1, server: x}\n  risk: [{rule: max_loss, params: {most: 1}}]\n"


def live(desk: Path, settings: str) -> Config:
    text = YAML.replace("paper_trading: true", "paper_trading: false").replace(
        "zmq_execution_host: localhost", "zmq_execution_host: windows"
    )
    assert "windows" in text
    (desk / "config" / "strategies.yaml").write_text(f"{text}\n{LIVE}{settings}")
    return load_config(Path("config/strategies.yaml"))


def test_another_machine_without_keys_is_refused_unless_that_was_written(desk: Path) -> None:
    said = refused(desk, "")
    assert "global.zmq_market_url: tcp://192.168.1.20:5556, which is another machine" in said
    assert "global.market.insecure: true" in said
    assert "`mt5crs-supervisor keys`" in said
    assert load(desk, "  market: {insecure: true}\n").globals.market_keys is None
    for here in ("tcp://127.0.0.1:5556", "tcp://localhost:1", "tcp://[::1]:5", "ipc:///tmp/x"):
        assert load(desk, "", here).globals.market_keys is None
    assert "another machine" in refused(desk, "", "tcp://10.0.0.1:5556")
    assert "another machine" in refused(desk, "", "tcp://localhost.evil.example:5556")


def test_the_bridge_is_looked_at_by_itself(desk: Path) -> None:
    with pytest.raises(ConfigError, match=r"zmq_execution_host: windows, which is another machine"):
        live(desk, "")
    said = "zmq_execution_host: windows, which is another machine"
    paper = YAML.replace("zmq_execution_host: localhost", "zmq_execution_host: windows")
    (desk / "config" / "strategies.yaml").write_text(f"{paper}\n")
    load_config(Path("config/strategies.yaml"))
    (desk / "config" / "strategies.yaml").write_text(f"{paper}\n  execution: {{shadow: true}}\n")
    with pytest.raises(ConfigError, match=said):
        load_config(Path("config/strategies.yaml"))
    assert live(desk, "  execution: {insecure: true}\n").globals.execution_keys is None
    made("--for", "gateway")
    found = live(desk, "  execution: {server_key: keys/gateway.key}\n").globals
    keys = desk / "keys"
    places = KeyPlaces(str(keys / "supervisor.key_secret"), str(keys / "gateway.key"))
    assert found.execution_keys == places
    assert found.market_keys is None
    assert "secret" not in repr(read_keys(places))


def test_keys_are_found_and_looked_at_before_anything_starts(desk: Path) -> None:
    with_key = "  market: {server_key: keys/gateway.key}\n"
    assert "no file 'keys/gateway.key'" in refused(desk, with_key)
    made("--for", "gateway")
    config = load(desk, with_key)
    assert config.globals.market_keys is not None
    both = "  market: {server_key: keys/gateway.key, insecure: true}\n"
    assert "true beside a server_key" in refused(desk, both)
    assert "a feed of ours" in refused(desk, f"{with_key}  feed: {{kind: synthetic}}\n")
    wrong = "  market: {server_key: keys/supervisor.key_secret}\n"
    assert "name the file that ends in .key" in refused(desk, wrong)
    secret = desk / "keys" / "supervisor.key_secret"
    secret.chmod(0o604)
    assert "may be read by others: chmod 600" in refused(desk, with_key)
    secret.chmod(0o600)
    (desk / "keys" / "gateway.key").write_text('curve\n    public-key = "short"\n')
    assert "is damaged" in refused(desk, with_key)
    # The key itself is for no log.
    shown = refused(desk, f"{with_key}  secret_key: '{secret_of(secret)}'\n")
    assert "it may be a key" in shown
    assert secret_of(secret) not in shown


def test_no_path_or_key_counts_where_nothing_is_encrypted(desk: Path) -> None:
    """A strategy's process goes on where a key is named that it does not use."""
    config = load(desk, "", "tcp://127.0.0.1:5556")
    other = msgspec.structs.replace(config.globals, secret_key="elsewhere")
    first = config.strategies[0]
    assert config_hash(first, config.globals) == config_hash(first, other)
    made("--for", "gateway")
    keyed = load(desk, "  market: {server_key: keys/gateway.key}\n").globals
    other = msgspec.structs.replace(keyed, secret_key="elsewhere")
    assert config_hash(first, keyed) != config_hash(first, other)
    # Paths travel to the processes, and nothing of what is in the files.
    payload = msgspec.json.encode(msgspec.structs.replace(config, globals=keyed)).decode()
    assert "supervisor.key_secret" in payload
    assert secret_of(desk / "keys" / "supervisor.key_secret") not in payload


def test_a_pyzmq_without_curve_is_told(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made("--for", "gateway")
    monkeypatch.setattr(curve.zmq, "has", lambda _what: False)
    said = refused(desk, "  market: {server_key: keys/gateway.key}\n")
    assert "was built without CURVE" in said
    assert made().exit_code == 1


def test_this_one_can_encrypt() -> None:
    assert zmq.has("curve")


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("tcp://localhost:1", True),
        ("tcp://LOCALHOST:1", True),
        ("tcp://127.9.9.9:1", True),
        ("tcp://[::1]:1", True),
        ("ipc:///run/x", True),
        ("tcp://0.0.0.0:1", False),
        ("tcp://[::]:1", False),
        ("tcp://[::1:1", False),
        ("tcp://:1", False),
        ("tcp://10.1.1.1:1", False),
        ("tcp://127.0.0.1.example:1", False),
        ("tcp://windows:1", False),
    ],
)
def test_which_addresses_are_this_machine(url: str, local: bool) -> None:
    assert is_local(url) is local


def test_a_pair_does_not_show_its_secret() -> None:
    assert "hidden" not in repr(CurvePair(b"shown", b"hidden"))
    assert "hidden" not in f"{CurvePair(b'shown', b'hidden')}"


def test_a_feed_of_ours_is_heard_on_this_machine_unless_that_was_said(desk: Path) -> None:
    (desk / "config" / "strategies.yaml").write_text(YAML)
    feed = ["feed", "synthetic", "--symbol", "EURUSD", "--url", "tcp://0.0.0.0:5"]
    result = CliRunner().invoke(cli, feed)
    assert (result.exit_code, "--insecure allows it" in result.output) == (2, True)
