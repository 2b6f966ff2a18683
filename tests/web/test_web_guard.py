"""Who may ask, and what a hostile word can do: nothing."""

from __future__ import annotations

import re

import httpx
import pytest

from controller.web.guard import MAX_BODY_BYTES

ACCEPT = "/api/v1/devices/newcomer/accept"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "[::1]:8080", "fleet.example"])
def test_hosts_of_loopback_and_those_configured_are_served(client: httpx.Client, host: str) -> None:
    assert client.get("/api/v1/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "[::1", "@localhost:x"]
)
def test_other_hosts_are_not(client: httpx.Client, host: str) -> None:
    assert client.get("/api/v1/health", headers={"Host": host}).status_code == 421


@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://localhost:8080", 200), ("http://evil.example", 403), ("null", 403), ("http://localhost:9999", 403)],
)
def test_a_page_of_another_origin_changes_nothing(client: httpx.Client, origin: str, status: int) -> None:
    headers = {"Host": "localhost:8080", "Origin": origin}
    assert client.post(ACCEPT, headers=headers).status_code == status


def test_a_huge_body_is_refused_unread(client: httpx.Client) -> None:
    assert client.post("/api/v1/devices", content=b"x" * (MAX_BODY_BYTES + 1)).status_code == 413
    chunked = client.post("/api/v1/devices", content=iter([b"x"]))
    assert chunked.status_code == 413


@pytest.mark.parametrize("path", ["/", "/static/dashboard.js", "/api/v1/devices", "/nothing"])
def test_every_answer_forbids_foreign_and_inline_content(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"


def test_the_page_has_nothing_inline_and_nothing_from_elsewhere(client: httpx.Client) -> None:
    page = client.get("/").text
    assert not re.search(r"\son\w+=|<style|style=|javascript:|https?://", page)
    for path in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert path.startswith("/static/"), path
        assert client.get(path).status_code == 200


def test_the_script_never_makes_markup_of_a_text(client: httpx.Client) -> None:
    script = client.get("/static/dashboard.js").text
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", script)


def test_hostile_words_travel_as_json_and_not_as_a_page(client: httpx.Client) -> None:
    answer = client.get("/api/v1/devices/sensor-9")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["reason"].startswith("<img")
