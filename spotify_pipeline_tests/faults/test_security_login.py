"""The listener of `login`, as somebody else on the machine or a page in the browser would try it.

That a wrong or missing state is refused, that other addresses don't reach it and that its port is
closed afterwards is `ingest/test_login.py`'s.
"""

import http.client
from urllib.parse import urlsplit

import pytest

from spotify_pipeline_tests.ingest.test_login import (
    Accounts,
    User,
    accounts,
    follow,
    redirect_uri,
    running_accounts,
    sign_in,
    state,
)

__all__ = ["accounts", "running_accounts"]  # fixtures


def ask(link: str, place: str, **headers: str) -> tuple[int, str, str]:
    """Status, body and all headers of an answer, to whatever name the browser knows the host by."""
    connection = http.client.HTTPConnection(urlsplit(redirect_uri(link)).netloc, timeout=30)
    connection.request("GET", place, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), str(answer.headers).lower()


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8888", "localhost", ""])
def test_a_page_that_has_its_own_name_lead_here_learns_and_does_nothing(
    accounts: Accounts, host: str
) -> None:
    """As by DNS rebinding: it reads what the listener answers, and can't know the state."""
    seen = []

    def try_and_follow(link: str) -> None:
        for place in ("/callback?code=hush-forged&state=guess", "/callback", "/"):
            seen.append(ask(link, place, Host=host, Origin=f"http://{host}"))
        seen.append((400, state(link), ""))
        follow(link)

    user = User(try_and_follow)
    assert sign_in(accounts, user).refresh_token == "hush-refresh"
    user.rest()
    *answers, (_, secret, _) = seen
    assert {status for status, _, _ in answers} == {400, 404}
    assert not [body for _, body, _ in answers if secret in body or "hush" in body]
    assert not [headers for _, _, headers in answers if "access-control" in headers]
    assert [form["code"] for form, _ in accounts.exchanged] == [["hush-code"]]


def test_of_two_answers_to_the_link_the_first_is_taken_and_the_other_has_no_effect(
    accounts: Accounts,
) -> None:
    def answer_twice(link: str) -> None:
        sent = f"/callback?code=hush-first&state={state(link)}"
        assert ask(link, sent)[0] == 200
        try:
            ask(link, sent.replace("first", "second"))
        except OSError:  # it is closed by now
            return

    user = User(answer_twice)
    sign_in(accounts, user)
    user.rest()
    assert [form["code"] for form, _ in accounts.exchanged] == [["hush-first"]]


def test_a_request_that_never_ends_its_first_line_is_refused(accounts: Accounts) -> None:
    user = User(
        lambda link: (user.told.append(str(ask(link, "/" + "x" * 70_000)[0])), follow(link))
    )
    assert sign_in(accounts, user).refresh_token == "hush-refresh"
    user.rest()
    assert user.told[1:] == ["414"]
