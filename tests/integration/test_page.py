"""The page in a real browser, against a system that runs."""

import json
import os
import re
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import duckdb
import pytest

from tests.browsing import CHROMIUM, NEEDS_CHROMIUM, PATIENCE_MS, Browsing
from tests.integration.test_cli_process import STRATEGIES, CommandLine
from tests.integration.test_exporter_process import DESK, RESTLESS
from tests.system import Pulse, free_port, wait_for

playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
pytestmark = [NEEDS_CHROMIUM, pytest.mark.timeout(400)]
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    "--host-resolver-rules=MAP evil.example 127.0.0.1",
]


@pytest.fixture
def browsing(tmp_path: Path) -> Iterator[Browsing]:
    folder = tmp_path / "desk"
    folder.mkdir()
    (folder / "restless.py").write_text(RESTLESS)
    system = CommandLine(folder, [*DESK, {**STRATEGIES[1], "name": "quiet", "timeframe": "M1"}])
    pulse = Pulse(system.port, ["EURUSD", "GBPUSD"])
    pulse.start()
    port = free_port()
    try:
        system.said("start", "--detach", "--page", f"127.0.0.1:{port}")
        with playwright.sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
            yield Browsing(system, port, browser)
            browser.close()
    finally:
        pulse.stop()
        system.call("stop")
        system.end_leftovers()


def signed(amount: float) -> str:
    text = f"{abs(amount):,.2f}"
    return text if text == "0.00" else f"{'−' if amount < 0 else '+'}{text}"  # noqa: RUF001


def figures_are_those_of_the_status_and_of_the_ledger(browsing: Browsing) -> None:
    system = browsing.system
    wait_for(lambda: system.json("pnl", "--by", "strategy"), "a trade")
    # Nothing is dealt any more, and nothing floats.
    system.said("kill-switch", "on")
    system.said("flatten", "--all")
    row = next(s for s in system.json("status")["strategies"] if s["process"]["name"] == "cable")
    (earned,) = system.json("pnl", "--by", "strategy", "cable")
    browsing.wait_cell("cable", "total", signed(row["realised"]))
    browsing.wait_cell("cable", "trades", f"{earned['trades']:,}")
    browsing.wait_cell("cable", "won", f"{earned['win_rate'] * 100:.0f} %")
    today = system.json("pnl", "--by", "day", "cable")[-1]
    browsing.wait_cell("cable", "today", signed(today["net"]))
    equity = browsing.page.locator("dl.account .main dd").first
    wait_for(
        lambda: equity.inner_text() == f"{system.json('status')['account']['equity']:,.2f}",
        "the equity of the status",
    )
    assert "Kill switch is ON" in browsing.page.locator(".trouble").inner_text()
    system.said("kill-switch", "off", "--yes")
    browsing.page.locator(".trouble .killed").wait_for(state="detached")


def a_death_and_the_recovery_are_seen(browsing: Browsing) -> None:
    browsing.wait_cell("euro", "restarts", "0")
    old = browsing.system.pid("euro")
    os.kill(old, signal.SIGKILL)
    browsing.system.wait_back("euro", old)
    browsing.wait_cell("euro", "restarts", "1")
    # As `status` does: it trades once it has its bars.
    browsing.wait_cell("euro", "status", "WARMING")
    took = browsing.page.locator('tr[data-name="euro"] td.restarts .second').inner_text()
    assert re.fullmatch(r"[\d,]+ ms", took)


def the_page_dies_and_nobody_else_notices(browsing: Browsing) -> None:
    before = browsing.system.pids()
    os.kill(browsing.system.pid("page"), signal.SIGKILL)
    browsing.system.wait_back("page", before["page"] or 0)
    after = browsing.system.pids()
    assert {name for name in before if before[name] != after[name]} == {"page"}
    wait_for(
        lambda: "1 restart" in browsing.page.locator(".services").inner_text(),
        "the page to go on where it was",
    )
    # What Chromium says of a connection that was cut is the test's own doing.
    browsing.complaints.clear()


def it_says_when_what_it_shows_is_old(browsing: Browsing) -> None:
    supervisor = browsing.system.status().pid
    stale = browsing.page.locator("#stale")
    os.kill(supervisor, signal.SIGSTOP)
    try:
        stale.wait_for(state="visible")
        assert re.match(r"No word from the supervisor for \d+ s: ", stale.inner_text())
    finally:
        os.kill(supervisor, signal.SIGCONT)
    stale.wait_for(state="hidden")


def without_the_token_nothing_can_be_done(browsing: Browsing) -> None:
    assert not browsing.page.get_by_label("Act on quiet").is_visible()
    request = urllib.request.Request(
        f"{browsing.address}/api/act",
        data=b'{"verb": "pause", "name": "quiet"}',
        headers={"Content-Type": "application/json", "Origin": browsing.address},
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10.0)
    assert refused.value.code == 401


def pause_and_resume(browsing: Browsing) -> None:
    token = browsing.system.said("page").strip()
    assert token.startswith(f"{browsing.address}/#token=")
    mode = (browsing.system.var / "run" / "token").stat().st_mode
    assert mode & 0o777 == 0o600
    browsing.page.close()
    browsing.page = browsing.open(token)
    browsing.page.get_by_label("Act on quiet").wait_for()
    assert "token" not in browsing.page.url

    assert "quiet: opens no position any more" in browsing.act("quiet", "Pause")
    row = browsing.page.locator('tr[data-name="quiet"] td.status')
    wait_for(lambda: "paused" in row.inner_text(), "the pause on the page")
    browsing.wait_cell("quiet", "status", "REDUCING")  # the word of `status`
    assert browsing.system.strategy("quiet").trading == "REDUCING"
    assert "quiet: is not paused any more" in browsing.act("quiet", "Resume")
    wait_for(lambda: browsing.system.strategy("quiet").trading == "ACTIVE", "quiet ACTIVE")
    locked = [line for line in browsing.told().splitlines() if "locked" in line and "quiet" in line]
    assert len(locked) == 2
    assert all("(page, 127.0.0.1)" in line for line in locked)


def a_restart_is_told_with_its_source(browsing: Browsing) -> None:
    assert "quiet is RUNNING" in browsing.act("quiet", "Restart")
    assert "asked by the operator (page, 127.0.0.1)" in browsing.told()


def the_kill_switch(browsing: Browsing) -> None:
    page, system = browsing.page, browsing.system
    page.get_by_role("button", name="Kill switch", exact=True).click()
    assert "Every order of all 3 strategies" in page.locator("dialog").inner_text()
    assert "kill switch ON" in browsing.agree()
    page.locator(".trouble .killed").wait_for()
    page.get_by_role("button", name="Kill switch off").click()
    page.locator("dialog input").fill("something else")
    assert "stays ON" in browsing.agree()
    assert system.said("kill-switch").startswith("kill switch ON")
    page.get_by_role("button", name="Kill switch off").click()
    page.locator("dialog input").fill(system.folder.name)
    assert "kill switch OFF" in browsing.agree()
    page.locator(".trouble .killed").wait_for(state="detached")


def a_flattened_position_says_by_whom(browsing: Browsing) -> None:
    system = browsing.system

    def holds_still() -> bool:
        """It turns its position all the time: one is caught while nothing of it is executed."""
        system.said("pause", "cable", "--halt")
        held = any(position["strategy"] == "cable" for position in system.json("positions"))
        if not held:
            system.said("resume", "cable")
        return held

    wait_for(holds_still, "a position")
    assert "(manual)" in browsing.act("cable", "Flatten")
    by_hand = [line for line in browsing.told().splitlines() if "closed by" in line]
    assert "(page, 127.0.0.1)" in by_hand[-1]
    system.said("resume", "cable")


def a_reload_shows_the_difference_first(browsing: Browsing) -> None:
    page, system = browsing.page, browsing.system
    text = system.config.read_text()
    system.config.write_text(text.replace("slow: 6", "slow: 7"))
    before = system.epochs()
    page.get_by_role("button", name="Reload").click()
    page.locator("dialog pre").wait_for()
    assert "params" in page.locator("dialog pre").inner_text()
    assert system.epochs() == before
    assert "done in" in browsing.agree()
    fresh = {name for name, epoch in system.epochs().items() if epoch != before[name]}
    assert fresh == {"quiet"}, "whoever it does not touch goes on"


def one_strategy_with_all_that_it_did(browsing: Browsing) -> None:
    """After `a_death_and_the_recovery_are_seen`: it looks for the black box."""
    page, system = browsing.page, browsing.system
    page.goto(f"{browsing.address}/#/strategy/cable")
    chart = page.locator(".chart.tall canvas")
    chart.wait_for()
    wait_for(lambda: "trades; the tables" in (chart.get_attribute("aria-label") or ""), "candles")
    page.get_by_role("tab", name="Trades").click()
    page.locator("#panel-trades table").wait_for()
    page.get_by_role("tab", name="Settings").click()
    settings = page.locator("#panel-settings").inner_text()
    lines = system.config.read_text().splitlines()
    number = next(n for n, line in enumerate(lines, 1) if "restless:Restless" in line)
    assert f"strategies.yaml:{number}" in settings
    assert page.locator(".strip .stretch").count() > 0
    page.goto(f"{browsing.address}/#/strategy/euro")
    page.get_by_role("tab", name="Deaths").click()
    death = page.locator("#panel-deaths details")
    wait_for(lambda: death.count() == 1, "the black box of the kill")
    assert "signal" in death.inner_text()
    page.goto(f"{browsing.address}/#/")


def what_a_strategy_says_breaks_no_layout(browsing: Browsing) -> None:
    page = browsing.page
    page.goto(f"{browsing.address}/#/strategy/cable")
    page.locator(".head h2.name").wait_for()
    # In one go: the next draw puts the true reason back.
    script = """() => {
        const why = document.querySelector(".head h2.name ~ .soft");
        why.textContent = "W".repeat(3000);
        return document.documentElement.scrollWidth - innerWidth;
    }"""
    assert page.evaluate(script) <= 0
    page.goto(f"{browsing.address}/#/")


def prices_have_the_digits_that_they_came_with(browsing: Browsing) -> None:
    script = """async (values) => {
        const { price } = await import("/static/js/format.js");
        return values.map(price);
    }"""
    values = [1.1, 1.10005, 162.3, 162.345, 2400.5, 2400.123, (1.10005 + 1.10006) / 2.0]
    shown = ["1.10000", "1.10005", "162.300", "162.345", "2400.50", "2400.123", "1.100055"]
    assert browsing.page.evaluate(script, values) == shown


def events_are_found_by_words(browsing: Browsing) -> None:
    page = browsing.page
    page.goto(f"{browsing.address}/#/events")
    page.locator(".events tbody tr").first.wait_for()
    page.get_by_label("Search events").fill("died euro")
    found = page.locator(".events tbody tr")
    wait_for(lambda: found.count() == 1, "the death alone")
    assert "SIGKILL" in found.inner_text()
    page.get_by_label("Search events").fill("")


def history_is_that_of_the_ledger_and_of_pnl(browsing: Browsing) -> None:
    page, system = browsing.page, browsing.system
    system.said("pause", "--all", "--halt")
    page.goto(f"{browsing.address}/#/history")
    trades = system.json("trades", "-n", "100000")
    facts = page.locator("dl.facts")
    wait_for(lambda: f"\n{len(trades):,}\n" in facts.inner_text(), "all trades")
    assert signed(sum(t["profit"] - t["commission"] for t in trades)) in facts.inner_text()
    with page.expect_download() as waited:
        page.get_by_role("link", name="CSV").click()
    assert Path(waited.value.path()).read_text() == system.said("trades", "--csv")
    with page.expect_download() as waited:
        page.get_by_role("link", name="Parquet").click()
    rows = duckdb.read_parquet(str(waited.value.path())).project("ticket").fetchall()
    assert [ticket for (ticket,) in rows] == [trade["ticket"] for trade in trades]
    system.said("resume", "--all")
    page.goto(f"{browsing.address}/#/")


def nobody_is_kept_from_using_it(browsing: Browsing, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python", reason="needs axe-playwright-python")
    script = (Path(axe.__file__).parent / "axe.min.js").read_text()
    # The page's own policy would keep the script out that looks at it.
    context = browsing.context.browser.new_context(color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    for view, awaited in (
        ("#/", ".desk tbody tr"),
        ("#/strategy/cable", "#panel-decisions table"),
        ("#/events", ".events tbody tr"),
        ("#/history", "table.bars"),
    ):
        page.goto(f"{browsing.address}/{view}")
        page.locator(awaited).first.wait_for()
        page.evaluate(script)
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        grave = [
            (fault["id"], [node["html"] for node in fault["nodes"]])
            for fault in found["violations"]
            if fault["impact"] in ("serious", "critical")
        ]
        assert grave == [], view
    context.close()


def a_name_that_is_not_ours_is_refused(browsing: Browsing) -> None:
    port = urlsplit(browsing.address).port
    hosts, complaints = {*browsing.hosts}, [*browsing.complaints]
    page = browsing.open(f"http://evil.example:{port}/")
    assert "this page is not called" in page.content()
    page.close()
    browsing.hosts, browsing.complaints = hosts, complaints


def another_sites_script_cannot_act(browsing: Browsing) -> None:
    cookies = browsing.context.cookies()
    (own,) = (c for c in cookies if c["name"].startswith("mt5crs_"))
    assert (own["httpOnly"], own["sameSite"]) == (True, "Strict")
    request = urllib.request.Request(
        f"{browsing.address}/api/act",
        data=b'{"verb": "pause", "name": "quiet"}',
        headers={
            "Content-Type": "application/json",
            "Cookie": f"{own['name']}={own['value']}",
            "Origin": "http://evil.example",
        },
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10.0)
    assert refused.value.code == 403
    assert "not from this page" in json.loads(refused.value.read())["error"]


def wrong_tokens_are_refused_and_soon_not_even_looked_at(browsing: Browsing) -> None:
    codes = []
    for _ in range(7):
        request = urllib.request.Request(
            f"{browsing.address}/api/session",
            data=b'{"token": "guessed"}',
            headers={"Content-Type": "application/json", "Origin": browsing.address},
        )
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=10.0)
        codes.append(refused.value.code)
    assert codes == [403] * 5 + [429] * 2


def no_complaint_and_no_other_host(browsing: Browsing) -> None:
    assert browsing.complaints == []
    assert browsing.hosts == {urlsplit(browsing.address).netloc}


def test_looking(browsing: Browsing) -> None:
    """One system and one browser for all of it, in this order: each start takes seconds."""
    figures_are_those_of_the_status_and_of_the_ledger(browsing)
    a_death_and_the_recovery_are_seen(browsing)
    the_page_dies_and_nobody_else_notices(browsing)
    it_says_when_what_it_shows_is_old(browsing)
    without_the_token_nothing_can_be_done(browsing)
    one_strategy_with_all_that_it_did(browsing)
    what_a_strategy_says_breaks_no_layout(browsing)
    prices_have_the_digits_that_they_came_with(browsing)
    events_are_found_by_words(browsing)
    history_is_that_of_the_ledger_and_of_pnl(browsing)
    nobody_is_kept_from_using_it(browsing, "light")
    nobody_is_kept_from_using_it(browsing, "dark")
    no_complaint_and_no_other_host(browsing)


def test_acting(browsing: Browsing) -> None:
    pause_and_resume(browsing)
    a_restart_is_told_with_its_source(browsing)
    the_kill_switch(browsing)
    a_flattened_position_says_by_whom(browsing)
    a_reload_shows_the_difference_first(browsing)
    another_sites_script_cannot_act(browsing)
    a_name_that_is_not_ours_is_refused(browsing)
    no_complaint_and_no_other_host(browsing)
    # Last: for a minute nobody from here is let in any more.
    wrong_tokens_are_refused_and_soon_not_even_looked_at(browsing)
