"""/metrics: what this instance answers, and how its fleet is."""

import time
from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web
from prometheus_client import CollectorRegistry, Counter, Histogram

BUCKETS_S = (0.005, 0.025, 0.1, 0.25, 0.5, 2.5, 10)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Figures:
    """In a registry of its own; of this instance alone."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Histogram(
            "hub_request_duration_seconds",
            "Time to answer an HTTP request",
            ("method", "route", "status"),
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self._rows = Counter("hub_rows_total", "Rows of boxes", ("verdict",), registry=self.registry)
        self._bytes = Counter("hub_file_bytes_total", "Bytes of files", registry=self.registry)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        self._requests.labels(method, route, str(status)).observe(seconds)

    def rows(self, taken: int, refused: int) -> None:
        self._rows.labels("taken").inc(taken)
        self._rows.labels("refused").inc(refused)

    def file_bytes(self, count: int) -> None:
        self._bytes.inc(count)


FIGURES: web.AppKey[Figures] = web.AppKey("figures", Figures)


@web.middleware
async def timed(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Outermost, so that refusals count too."""
    began = time.perf_counter()  # of this very process: no box clock, which may be simulated
    status = 499  # the client left before there was an answer
    try:
        response = await handler(request)
        status = response.status
        return response
    except ConnectionError:
        if request.transport is not None and not request.transport.is_closing():
            raise
        return web.Response(status=400)  # nobody is there to read it, and it is no fault of ours
    finally:
        resource = request.match_info.route.resource
        route = "none" if resource is None else resource.canonical
        if not route.endswith("/commands"):  # long polls last as long as they are let
            method = request.method if request.method in hdrs.METH_ALL else "other"
            request.app[FIGURES].answered(method, route, status, time.perf_counter() - began)
