"""The restart policy: a pure function of what happened and when."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from mt5crs_shared.configuration.structs import RestartConfig
from mt5crs_supervisor.children.restart_policy import Cause, RestartPolicy

STEADY = RestartConfig(jitter=0.0)


def policy(config: RestartConfig = STEADY) -> RestartPolicy:
    return RestartPolicy(config, Random(1))


def test_the_first_respawn_comes_at_once_and_the_next_ones_ever_later() -> None:
    one = policy(RestartConfig(jitter=0.0, max_deaths=100, backoff_max=3.0))
    waits = [one.on_death(Cause.EXIT, 1.0, now).delay for now in range(7)]
    assert waits == [0.0, 0.5, 1.0, 2.0, 3.0, 3.0, 3.0]


def test_health_clears_the_record() -> None:
    one = policy()
    for now in range(4):
        assert one.on_death(Cause.SIGNAL, 1.0, now).delay is not None
    assert one.on_death(Cause.SIGNAL, 61.0, 70.0).delay == 0.0


def test_five_deaths_in_a_minute_are_too_many() -> None:
    one = policy()
    decisions = [one.on_death(Cause.HANG, 2.0, now * 10.0) for now in range(5)]
    assert [d.delay is None for d in decisions] == [False] * 4 + [True]
    assert decisions[-1].reason == "5 deaths within 60 s"


def test_deaths_that_are_far_apart_are_never_too_many() -> None:
    one = policy()
    assert all(one.on_death(Cause.EXIT, 5.0, now * 20.0).delay is not None for now in range(50))


def test_three_failed_boots_in_a_row_are_too_many_and_a_ready_one_breaks_the_row() -> None:
    one = policy(RestartConfig(max_deaths=100))
    assert one.on_death(Cause.BOOT, None, 0.0).delay is not None
    assert one.on_death(Cause.BOOT, None, 1.0).delay is not None
    assert one.on_death(Cause.EXIT, 1.0, 2.0).delay is not None
    assert one.on_death(Cause.BOOT, None, 3.0).delay is not None
    assert one.on_death(Cause.BOOT, None, 4.0).delay is not None
    assert one.on_death(Cause.BOOT, None, 5.0).delay is None


def test_what_a_restart_cannot_mend_is_not_restarted() -> None:
    one = policy(RestartConfig(retry_after=5.0))
    assert one.on_death(Cause.PERMANENT, None, 0.0).delay is None
    assert one.retry_at(0.0, Cause.PERMANENT) is None
    assert one.retry_at(1.0, Cause.EXIT) == 6.0


def test_the_operator_gives_a_clean_record() -> None:
    one = policy()
    for now in range(5):
        one.on_death(Cause.EXIT, 1.0, now)
    one.forget()
    assert one.on_death(Cause.EXIT, 1.0, 6.0).delay == 0.0


def test_a_death_that_is_forgiven_does_not_count() -> None:
    one = policy()
    for now in range(20):
        assert one.on_death(Cause.EXIT, 1.0, now).delay == 0.0
        one.forgive_last()


@given(
    st.lists(
        st.tuples(
            st.sampled_from([Cause.EXIT, Cause.SIGNAL, Cause.HANG, Cause.BOOT]),
            st.one_of(st.none(), st.floats(0.0, 100.0)),
            st.floats(0.0, 30.0),
        ),
        max_size=40,
    )
)
def test_no_sequence_waits_longer_than_allowed_or_retries_beyond_the_budget(
    deaths: list[tuple[Cause, float | None, float]],
) -> None:
    config = RestartConfig()
    one = policy(config)
    now, within = 0.0, []
    for cause, healthy_for, gap in deaths:
        now += gap
        if healthy_for is not None and healthy_for >= config.healthy_after:
            within.clear()
        within = [*(t for t in within if now - t <= config.window), now]
        decision = one.on_death(cause, healthy_for, now)
        if decision.delay is None:
            return
        assert 0.0 <= decision.delay <= config.backoff_max * (1.0 + config.jitter)
        assert len(within) < config.max_deaths
