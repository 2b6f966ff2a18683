"""Requests about many devices over the API."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from controller.core.intents import AddToBulk, AskBulk
from controller.core.nouns.bulk import BulkKind
from tests.real import RealController
from tests.web.test_web_pages import in_pages, page

API = "/api/v1"
pytestmark = pytest.mark.usefixtures("on_each_database")


def post(client: httpx.Client, path: str, status: int = 202, **body: Any) -> Any:
    answer = client.post(f"{API}{path}", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_those_that_a_selector_matches_are_accepted(client: httpx.Client, controller: RealController) -> None:
    asked = post(client, "/bulks", kind="accept", selector="", token="t")
    assert controller.asked == [AskBulk(BulkKind.ACCEPT, "t", "")]
    told = page(client, f"/bulks/{asked['id']}")
    assert (told["state"], told["total"], told["done"], told["failed"]) == ("done", 1, 1, 0)
    assert page(client, "/devices/newcomer")["state"] == "accepted"
    assert post(client, "/bulks", kind="accept", selector="", token="t") == told
    assert in_pages(client, "/bulks", 1) == [["b1"]]
    assert in_pages(client, "/bulks", 1, state="running") == [[]]


def test_without_a_token_each_is_a_request_of_its_own(client: httpx.Client) -> None:
    asked = [post(client, "/bulks", kind="accept", selector="site=north") for _ in range(2)]
    assert [each["id"] for each in asked] == ["b1", "b2"]
    assert asked[0]["token"] != asked[1]["token"]


def test_profiles_are_uploaded_read_and_registered_and_what_is_wrong_is_listed(
    client: httpx.Client, controller: RealController
) -> None:
    bulk = post(client, "/bulks", kind="register")["id"]
    texts = ["device: n-1\n", "device: n-2\nmemroy: {total: 1 MiB}\n", "device: n-3\n", "[broken", "device: n-1\n"]
    items = [{"profile_text": text, "source": f"{at}.yaml"} for at, text in enumerate(texts)]
    assert post(client, f"/bulks/{bulk}/items", first=0, items=items[:3])["total"] == 3
    assert post(client, f"/bulks/{bulk}/items", first=3, items=items[3:])["state"] == "uploading"
    assert page(client, "/devices")["total"] == 3
    post(client, f"/bulks/{bulk}/start")
    told = page(client, f"/bulks/{bulk}")
    assert (told["state"], told["done"], told["failed"]) == ("done", 3, 2)
    failed = page(client, f"/bulks/{bulk}/failures", limit=1)
    assert (failed["total"], failed["next"], failed["items"][0]["device"]) == (2, "1", "1.yaml")
    assert "1.yaml:2: memroy" in failed["items"][0]["reason"]
    rest = page(client, f"/bulks/{bulk}/failures", after="1")
    assert ([each["position"] for each in rest["items"]], rest["next"]) == ([3], None)
    assert page(client, "/devices/n-3")["state"] == "accepted"


def test_ids_are_uploaded_and_one_that_is_unknown_is_listed(client: httpx.Client, controller: RealController) -> None:
    bulk = post(client, "/bulks", kind="revoke", token="mine")["id"]
    post(client, f"/bulks/{bulk}/items", first=0, items=["cam-1", "nobody"])
    assert controller.asked[-1] == AddToBulk(bulk, 0, ("cam-1", "nobody"))
    post(client, f"/bulks/{bulk}/start")
    assert page(client, f"/bulks/{bulk}")["failed"] == 1
    assert page(client, "/devices/cam-1")["state"] == "revoked"


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"kind": "forget"}, 422, "kind"),
        ({"kind": "accept", "selector": "north"}, 400, "KEY=VALUE"),
        ({"kind": "revoke", "selector": ""}, 400, "say which"),
        ({"kind": "accept", "selector": "", "token": ""}, 400, "token"),
    ],
)
def test_nonsense_is_refused(client: httpx.Client, body: Any, status: int, words: str) -> None:
    assert words in post(client, "/bulks", status, **body)["error"]
    assert page(client, "/bulks")["total"] == 0


def test_too_much_at_once_and_what_is_not_there_are_refused(client: httpx.Client) -> None:
    bulk = post(client, "/bulks", kind="accept")["id"]
    assert "at most 1000" in post(client, f"/bulks/{bulk}/items", 400, first=0, items=["a"] * 1001)["error"]
    post(client, "/bulks/b9/items", 404, first=0, items=["a"])
    post(client, "/bulks/b9/start", 404)
    for path in ("/bulks/b9", "/bulks/b9/failures"):
        assert client.get(f"{API}{path}").status_code == 404
    assert client.get(f"{API}/bulks/{bulk}/failures?after=x").status_code == 400
