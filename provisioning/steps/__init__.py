"""The steps, in their order. A step's module is imported when it is needed: ``ORDER`` is all that is loaded.

A step is a folder or a file here, with its class named in the table; its page is
``ui/templates/provisioning/step_NAME.html`` with ``ui/static/provisioning/NAME.js``; its section of
answers.toml and its tests (``tests/provisioning/steps/NAME``) bear its name.
"""

import importlib
from typing import Any

from provisioning.step import Step

# name -> (module, class)
ORDER: dict[str, tuple[str, str]] = {
    "administrator": ("administrator", "Administrator"),
    "site": ("site", "Site"),
    "network": ("network", "Network"),
    "storage": ("storage", "Storage"),
    "cameras": ("cameras", "Cameras"),
    "zones": ("zones", "Zones"),
    "people": ("people", "People"),
    "remote": ("remote", "Remote"),
    "acceptance": ("acceptance", "Acceptance"),
}


def load(name: str) -> Step[Any]:
    """Raises ``KeyError`` for a name that is not in ``ORDER``."""
    module, kind = ORDER[name]
    step: Step[Any] = getattr(importlib.import_module(f"provisioning.steps.{module}"), kind)()
    return step
