"""Secrets that all instances share, sealed with the hub's key (``appliance.store.sealing``)."""

from appliance.hub.store.steps import Steps, one, run


def keep(name: str, sealed: bytes) -> Steps[bytes]:
    """The one that counts: ``sealed``, or what another instance had kept before."""
    yield from run("INSERT INTO kept (name, sealed) VALUES ($1, $2) ON CONFLICT DO NOTHING", name, sealed)
    row = yield from one("SELECT sealed FROM kept WHERE name = $1", name)
    return sealed if row is None else bytes(row["sealed"])


def has(name: str) -> Steps[bool]:
    row = yield from one("SELECT 1 AS there FROM kept WHERE name = $1", name)
    return row is not None
