"""What the machine's start puts in force: the ruleset that was confirmed last, as a file for nft itself.

``aries-firewall.service`` runs ``nft -f`` on it: before any interface has an address there is no time for
a database, and rules must not depend on a program that an update may have broken.
"""

import os
from pathlib import Path

from appliance.system.firewall.render import ruleset
from appliance.system.firewall.settings import FirewallSettings
from appliance.system.owner import give_to_owner_of

FILE = "firewall.nft"


def keep(data_dir: Path, found: FirewallSettings) -> None:
    """Written whole, or taken away where the firewall is off. Raises ``invalid``; nothing is changed then."""
    path = data_dir / FILE
    if not found.enabled:
        path.unlink(missing_ok=True)
        return
    text = ruleset(found)
    partial = path.with_suffix(".new")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        give_to_owner_of(data_dir, descriptor)
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    partial.rename(path)
