"""What is mounted is told, with its role, its body and what may be asked of it."""

import inspect
import re

from appliance.hub.people import ROUTES
from appliance.hub.people.openapi import SAID
from appliance.web.openapi import plain_path


async def test_every_route_is_told_with_its_role_and_the_body_it_reads(served):
    anna = await served.person("anna", "viewer")
    status, said = await anna.ask("GET", "/openapi.json")
    assert status == 200 and said["openapi"] == "3.1.0" and said["info"]["title"] == "Aries hub"
    for route in ROUTES:
        operation = said["paths"][plain_path(route.path)][route.method.lower()]
        assert operation["x-role"] == route.role and operation["summary"]
        read = re.search(r"call\.body\((\w+)\)", inspect.getsource(route.handler))
        body = SAID[route.handler].body
        assert (None if read is None else read[1]) == (None if body is None else body.__name__), route.path
        assert ("requestBody" in operation) == (body is not None)
    assert sum(len(each) for each in said["paths"].values()) == len(ROUTES)


def test_what_a_handler_asks_of_the_query_is_told():
    for handler, said in SAID.items():
        source = inspect.getsource(handler)
        names = {query.name for query in said.query}
        asked = set(re.findall(r"(?:choices|one|time)_of\(\w+(?:\.request)?, \"(\w+)\"", source))
        asked |= {"limit", "cursor"} if "call.page" in source else set()
        assert asked <= names, handler


async def test_it_is_not_for_strangers(served):
    response = await served.client.get("/api/v1/openapi.json")
    assert response.status == 401
