"""nft(8): check a ruleset, put it in force, read it back and what it counted."""

import json

import msgspec

from appliance.base.errors import ApplianceError
from appliance.system.firewall.render import TABLE, removal
from appliance.system.programs import NEEDS_RIGHTS, Programs


class Counted(msgspec.Struct, frozen=True):
    """One rule. ``about``: its comment."""

    chain: str
    about: str
    verdict: str
    packets: int


def check(text: str, programs: Programs) -> None:
    """Would the kernel take it? Changes nothing. Raises ``invalid`` with nft's words."""
    _load(text, programs, "-c")


def apply(text: str, programs: Programs) -> None:
    """In force afterwards, whole; or raises, and nothing has changed."""
    _load(text, programs)


def remove(programs: Programs) -> None:
    _load(removal(), programs)


def in_force(programs: Programs) -> str | None:
    """Our table as nft writes it, without counts: what ``apply`` takes to bring it back; None: not there."""
    done = programs.ask("nft", "-s", "list", "table", *TABLE.split())
    return f"{removal()}{done.text}" if done.status == 0 else None


def counted(programs: Programs) -> list[Counted]:
    """In the order of the rules; empty where our table is not in force."""
    done = programs.ask("nft", "-j", "list", "table", *TABLE.split())
    if done.status != 0:
        return []
    found = []
    for entry in json.loads(done.text)["nftables"]:
        rule = entry.get("rule")
        if rule is None:
            continue
        counts = [part["counter"]["packets"] for part in rule["expr"] if "counter" in part]
        verdicts = [word for part in rule["expr"] for word in ("accept", "drop") if word in part]
        if counts and verdicts:
            found.append(Counted(rule["chain"], rule.get("comment", ""), verdicts[0], counts[0]))
    return found


def _load(text: str, programs: Programs, *options: str) -> None:
    done = programs.ask("nft", *options, "-f", "-", given=text)
    if done.status == 0:
        return
    if "not permitted" in done.error or "Permission denied" in done.error:
        raise ApplianceError("denied", "this process may not change the firewall", NEEDS_RIGHTS)
    first = next((line for line in done.error.splitlines() if "rror" in line), done.error[:200])
    raise ApplianceError("invalid", f"nft does not take the ruleset: {first[:300]}", "see `nft -c -f` of it")
