"""The Windows gateway's YAML file: every mistake told, where it stands."""

from pathlib import Path

import pytest

from mt5crs_services.mt5_gateway.settings import (
    OpenSocketError,
    check_exposure,
    load_settings,
)
from mt5crs_shared.errors import ConfigError

GOOD = "login: 5001\nserver: Broker-Demo\nsymbols: [EURUSD, EURUSD.s]\n"


def written(folder: Path, text: str) -> Path:
    file = folder / "mt5crs-gateway.yaml"
    file.write_text(text)
    return file


def test_the_shortest_file_is_enough(tmp_path: Path) -> None:
    config = load_settings(written(tmp_path, GOOD))
    assert (config.login, config.bind, config.server_zone) == (5001, "127.0.0.1", "auto")
    assert config.address(config.orders_port) == "tcp://127.0.0.1:5555"
    assert config.folder == str(tmp_path / "mt5crs-gateway")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        (GOOD.replace("login: 5001\n", ""), "login: missing"),
        (GOOD + "pasword: env:A\n", "4:1 pasword: unknown key; did you mean password?"),
        (GOOD + "password: s3cret\n", "which is not shown here"),
        (GOOD + "server_zone: Mars/Base\n", "4:14 server_zone: 'Mars/Base'; expected auto"),
        (GOOD + "bind: localhost\n", "4:7 bind: 'localhost'; expected an address"),
        (GOOD + "ticks_port: 5555\n", "ticks_port: the port of orders"),
        (GOOD + "poll_ms: 1\n", "poll_ms: 1; expected a whole number >= 10"),
        (GOOD.replace("5001", "-1"), "login: -1"),
        (GOOD.replace("EURUSD,", "'EUR USD',"), "symbols[0]"),
        ("- 1\n", "a mapping"),
        ("a: [\n", "1"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(written(tmp_path, text))
    assert said in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load_settings(tmp_path / "mt5crs-gateway.yaml")


@pytest.mark.parametrize("bind", ["127.0.0.1", "127.8.8.8", '"::1"'])
def test_a_loopback_address_is_open_to_nobody(tmp_path: Path, bind: str) -> None:
    config = load_settings(written(tmp_path, f"{GOOD}bind: {bind}\n"))
    check_exposure(config, insecure=False)


@pytest.mark.parametrize("bind", ["0.0.0.0", "10.0.0.2", '"::"', "203.0.113.7"])
def test_any_other_one_has_to_be_wanted(tmp_path: Path, bind: str) -> None:
    config = load_settings(written(tmp_path, f"{GOOD}bind: {bind}\n"))
    with pytest.raises(OpenSocketError, match="trades on this account"):
        check_exposure(config, insecure=False)
    check_exposure(config, insecure=True)
