"""Codes and sessions of the dashboard, with a clock of the test's own."""

from __future__ import annotations

from bioimg_fiji.server.sessions import CODE_SECONDS, SESSION_SECONDS, Sessions


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_code_lives_two_minutes_and_works_once() -> None:
    clock = Clock()
    sessions = Sessions(clock)
    early, late = sessions.new_code(), sessions.new_code()
    assert len({sessions.new_code() for _ in range(60)}) == 60
    early, late = sessions.new_code(), sessions.new_code()
    clock.now += CODE_SECONDS - 0.1
    assert sessions.open(early.lower().replace("-", " ").replace(" ", "")) is not None
    assert sessions.open(early) is None
    clock.now += 0.2
    assert sessions.open(late) is None
    assert CODE_SECONDS == 120


def test_a_session_needs_both_secrets_and_ends() -> None:
    clock = Clock()
    sessions = Sessions(clock)
    cookie, key = sessions.open(sessions.new_code()) or ("", "")
    other_cookie, other_key = sessions.open(sessions.new_code()) or ("", "")
    assert len({cookie, key, other_cookie, other_key}) == 4
    assert sessions.knows(cookie, key)
    assert not sessions.knows(cookie, other_key)
    assert not sessions.knows(cookie, "")
    assert not sessions.knows(key, cookie)
    assert not sessions.knows("", "")
    sessions.close(other_cookie)
    assert not sessions.knows(other_cookie, other_key)
    clock.now += SESSION_SECONDS - 1
    assert sessions.knows(cookie, key)
    clock.now += 2
    assert not sessions.knows(cookie, key)


def test_wrong_guesses_keep_nobody_out() -> None:
    sessions = Sessions(Clock())
    code = sessions.new_code()
    for _ in range(100):
        assert sessions.open("AAAA-AAAA-AAAA") is None
    assert sessions.open(code) is not None
    assert sessions.open(code) is None


def test_nothing_grows_without_end() -> None:
    sessions = Sessions(Clock())
    first = sessions.open(sessions.new_code()) or ("", "")
    for _ in range(200):
        last = sessions.open(sessions.new_code()) or ("", "")
        sessions.new_code()
    assert sessions.knows(*last)
    assert not sessions.knows(*first)  # the oldest had to go
    assert max(len(sessions._sessions), len(sessions._codes)) <= 64
