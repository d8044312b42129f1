"""When a changed file is taken up: once it is quiet, and judged by what is there then."""

from pathlib import Path

import msgspec
import pytest

from mt5crs_shared.control.status_report import StatusReport
from mt5crs_supervisor.commands.failures import CommandError
from mt5crs_supervisor.commands.running import reload as reloading
from mt5crs_supervisor.commands.running.watch import Watch, files_of
from mt5crs_supervisor.operator.control import ConfigDifference, ConfigWatched, ReloadRequest
from tests.unit.editing_cases import SHIPPED, furnish
from tests.unit.test_render import report


class Supervised:
    """A supervisor as the watcher meets it; what is asked of it is written down."""

    def __init__(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.file = file
        self.report = report(config=str(file), folder=str(file.parent.parent))
        self.tried = 0
        self.asked: list[bool] = []
        self.told: list[str] = []
        self.found = ConfigDifference(("one",), (), (), (), (), (), (), (), ())
        self.meanwhile = ""
        monkeypatch.setattr(reloading, "tried", self._try)
        monkeypatch.setattr(reloading, "asked", self._ask)

    def status(self) -> StatusReport:
        return self.report

    def request(self, request: ConfigWatched) -> None:
        self.told.append(request.problem)

    def _try(self, _report: StatusReport) -> ReloadRequest:
        self.tried += 1
        if self.meanwhile:
            self.file.write_text(self.meanwhile)
            self.meanwhile = ""
        return ReloadRequest("digest", {}, dry_run=True)

    def _ask(self, _client: object, request: ReloadRequest) -> ConfigDifference:
        self.asked.append(request.dry_run)
        return self.found

    def watch(self) -> Watch:
        watch = Watch(self)  # type: ignore[arg-type]  # as much of a client as it needs
        assert self.told.pop() == ""
        return watch


@pytest.fixture
def supervised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Supervised:
    return Supervised(furnish(tmp_path), monkeypatch)


def test_only_a_quiet_file_is_taken_up_and_once(supervised: Supervised) -> None:
    watch = supervised.watch()
    for number in range(3):
        watch.look()
        supervised.file.write_text(f"{SHIPPED}# {number}\n")
    watch.look()
    assert supervised.tried == 0
    watch.look()
    watch.look()
    assert supervised.asked == [True, False]
    assert supervised.told == [""]
    supervised.file.with_name("symbols.yaml").unlink()
    watch.look()
    watch.look()
    assert supervised.tried == 2


def test_what_had_changed_before_is_taken_up(supervised: Supervised) -> None:
    supervised.report = msgspec.structs.replace(supervised.report, config_changed="2026-01-01")
    supervised.watch().look()
    assert supervised.asked == [True, False]


def test_what_is_written_meanwhile_is_judged_instead(supervised: Supervised) -> None:
    watch = supervised.watch()
    supervised.found = msgspec.structs.replace(supervised.found, held=("one",))
    supervised.file.write_text("strategies: 1")
    supervised.meanwhile = f"{SHIPPED}# mended\n"
    for _ in range(2):
        watch.look()
    assert (supervised.tried, supervised.told) == (1, [])
    supervised.found = msgspec.structs.replace(supervised.found, held=())
    for _ in range(2):
        watch.look()
    assert (supervised.tried, supervised.told) == (2, [""])


def test_a_reload_of_the_operator_goes_first(
    supervised: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = supervised.watch()
    idle = supervised.report
    supervised.file.write_text(f"{SHIPPED}# more\n")
    watch.look()
    supervised.report = msgspec.structs.replace(idle, reloading="one to stop")
    watch.look()
    assert supervised.tried == 0
    supervised.report = idle

    def late(_client: object, _request: ReloadRequest) -> ConfigDifference:
        supervised.report = msgspec.structs.replace(idle, reloading="one to stop")
        raise CommandError("nothing was changed: a reload is under way")

    with monkeypatch.context() as patched:
        patched.setattr(reloading, "asked", late)
        watch.look()
    assert (supervised.tried, supervised.told) == (1, [])
    supervised.report = idle
    watch.look()
    assert (supervised.tried, supervised.told) == (2, [""])


def test_what_cannot_be_done_is_told_and_not_done(supervised: Supervised) -> None:
    watch = supervised.watch()
    for change, said in (
        ({"held": ("one", "two")}, "is not taken up: one, two would leave a position open:"),
        ({"refused": ("x cannot change",)}, "is not taken up: x cannot change"),
    ):
        supervised.found = msgspec.structs.replace(
            ConfigDifference((), ("one",), (), (), (), (), (), (), ()), **change
        )
        supervised.file.write_text(f"{SHIPPED}# {said}\n")
        watch.look()
        watch.look()
        assert supervised.told.pop().startswith(said)
    assert supervised.asked == [True, True]


def test_what_is_written_while_it_begins_is_not_missed(
    supervised: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def status() -> StatusReport:
        asked.append(1)
        if len(asked) == 2:
            supervised.file.write_text(f"{SHIPPED}# just now\n")
        changed = "2026-01-01" if len(asked) > 1 else None
        return msgspec.structs.replace(supervised.report, config_changed=changed)

    monkeypatch.setattr(supervised, "status", status)
    watch = supervised.watch()
    watch.look()
    watch.look()
    assert supervised.told == [""]


def test_files_that_do_not_exist_yet_are_watched(supervised: Supervised) -> None:
    file = supervised.file
    file.write_text(SHIPPED.replace("models/baseline_v1", "models/other", 1))
    named = files_of(supervised.report, ())
    folder = file.parent.parent
    assert {file, file.with_name("symbols.yaml"), folder / "models/other.json"} <= set(named)
    file.write_text("strategies: [")
    assert files_of(supervised.report, named) == named
    for odd in ("strategies: 5", "- 1", "strategies: [1, {model_path: 7}]", "strategies:\n- {}"):
        file.write_text(odd)
        assert file in files_of(supervised.report, ())
