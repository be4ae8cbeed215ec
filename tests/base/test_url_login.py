"""Logins inside addresses: taken out, and put back where they were."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.base.model import Credentials
from appliance.base.url_login import fill_login, part_login

DVR = "rtsp://10.0.0.9:554/user={}&password={}&channel=1&stream=0.sdp?"
XIONGMAI = "rtsp://10.0.0.9/user={}_password={}_channel=1_stream=0.sdp?real_stream"


@pytest.mark.parametrize(
    "form", [DVR, XIONGMAI, "http://h/v.ts?user={}&password={}", "rtsp://h/?USR={}&x=1&Pwd={}"]
)
def test_a_login_is_taken_out_and_put_back(form: str) -> None:
    url, credentials = part_login(form.format("bob", "p%26s"))
    assert url == form.format("", "")
    assert credentials == Credentials("bob", "p&s")
    assert fill_login(url, credentials) == form.format("bob", "p%26s")
    assert part_login(url) == (url, None)


@pytest.mark.parametrize(
    "url",
    ["rtsp://h/live?channel=1", "rtsp://h/?superuser=1&subpassword=2", "rtsp://h/my_user=1", "rtsp://h"],
)
def test_an_address_without_such_places_stays_as_it_is(url: str) -> None:
    assert part_login(url) == (url, None)
    assert fill_login(url, Credentials("bob", "secret")) is None


def test_a_place_that_is_taken_is_left_alone() -> None:
    assert fill_login("rtsp://h/?user=&password=x", Credentials("bob", "secret")) is None
    assert (
        fill_login("rtsp://h/?user=ann&password=", Credentials("bob", "s")) == "rtsp://h/?user=ann&password=s"
    )


@given(
    st.text("abcXYZ019:@/?#%&=+_ ü", min_size=1, max_size=12), st.text("abcXYZ019:@/?#%&=+ ü", max_size=12)
)
def test_any_login_comes_back(username: str, password: str) -> None:
    credentials = Credentials(username, password)
    filled = fill_login(DVR.format("", ""), credentials)
    assert filled is not None
    assert part_login(filled) == (DVR.format("", ""), credentials)
