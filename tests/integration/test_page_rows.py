"""The desk's table with more rows than anybody sees at once, in a real browser."""

import functools
import http.server
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browsing import CHROMIUM, NEEDS_CHROMIUM, PATIENCE_MS
from tests.system import ROOT

playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
pytestmark = NEEDS_CHROMIUM
STATIC = ROOT / "services" / "mt5crs_services" / "page" / "static"
ROWS = 300
LAST = ROWS - 1

MAKE = """async (count) => {
  document.body.innerHTML = '<main id="view"></main>';
  const { DeskView } = await import("/js/desk.js");
  const still = { symbol: "EURUSD", state: "RUNNING", total: 0, floating: 0, restarts: 0 };
  const row = (name) => ({ name, ...still });
  const order = Array.from({ length: count }, (_, at) => `s${at}`);
  window.desk = { order, rows: Object.fromEntries(order.map((name) => [name, row(name)])) };
  window.view = new DeskView({ menu() {}, restart() {} });
  // A system around the rows is not what is tried here.
  for (const part of [view.account, view.trouble, view.services]) part.draw = () => {};
  document.getElementById("view").append(view.node);
  window.restarts = (count) => {
    for (const one of Object.values(desk.rows)) one.restarts = count;
    view.draw(desk, 1e9);
  };
  window.behind = (count) => desk.order.filter((name) => cell(name) !== String(count)).length;
  window.cell = (name) => view.rows[name].cells.restarts[0].textContent;
}"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves the page's files."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def page() -> Iterator[Any]:
    handler = functools.partial(Quiet, directory=str(STATIC))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with playwright.sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
            page = browser.new_page()
            page.set_default_timeout(PATIENCE_MS)
            page.goto(f"http://127.0.0.1:{server.server_port}/index.html")
            page.evaluate(MAKE, ROWS)
            yield page
            browser.close()
        server.shutdown()


def test_who_is_in_sight_is_always_right_and_the_others_in_turn(page: Any) -> None:
    page.evaluate("restarts(1)")
    page.wait_for_function("view.inSight.has('s0')")
    page.evaluate("restarts(2)")
    assert page.evaluate("cell('s0')") == "2"
    assert 0 < page.evaluate("behind(2)") < ROWS, "that is what it is for"
    # Nobody is left behind for good.
    for _ in range(ROWS // 50 + 1):
        page.evaluate("restarts(2)")
    assert page.evaluate("behind(2)") == 0


def test_what_comes_into_sight_is_right_without_another_word_of_the_server(page: Any) -> None:
    for _ in range(ROWS // 50 + 1):
        page.evaluate("restarts(1)")
    page.evaluate("restarts(2)")
    assert page.evaluate(f"cell('s{LAST}')") == "1", "it was far away"
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.wait_for_function(f"cell('s{LAST}') === '2'")
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_function(f"!view.inSight.has('s{LAST}')")
    page.evaluate("restarts(3)")
    page.get_by_label("Filter strategies").fill(f"s{LAST}")
    page.wait_for_function(f"cell('s{LAST}') === '3'")


def test_a_row_that_was_never_in_sight_has_its_name_and_is_printed(page: Any) -> None:
    page.evaluate("restarts(1)")
    names = page.locator("tbody td.name a").all_inner_texts()
    assert names == [f"s{at}" for at in range(ROWS)]
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("behind(1)") == 0


def test_who_is_removed_is_gone(page: Any) -> None:
    page.evaluate("restarts(1)")
    page.wait_for_function("view.inSight.has('s0')")
    page.evaluate("delete desk.rows.s0, desk.order.shift(), restarts(2)")
    assert page.locator("tbody tr").count() == ROWS - 1
    assert not page.evaluate("view.inSight.has('s0')")
