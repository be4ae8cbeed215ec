"""What a model's licence means for who runs a box with it, in one plain sentence. Not legal advice."""

import re

COPYLEFT = (
    "whoever gives others a product or a networked service with this model must offer them the complete"
    " source code of it all under the same licence, or buy another licence from the model's maker"
)
NON_COMMERCIAL = "it may not be used for business: not for customers, and not to guard a company"

_FREE = "free to use and to sell with; keep its notice"

# looked for in "-word-word-"; the first that is there counts
_PLAIN = (
    ("-agpl", COPYLEFT, True),
    ("-affero", COPYLEFT, True),
    ("-lgpl", "changes to the model itself must be published under the same licence", False),
    ("-gpl", "whoever passes this model on must pass on the source code of what it is part of", True),
    ("-nc-", NON_COMMERCIAL, True),
    ("-non-commercial", NON_COMMERCIAL, True),
    ("-noncommercial", NON_COMMERCIAL, True),
    ("-research-", NON_COMMERCIAL, True),
    ("-apache-", _FREE, False),
    ("-mit-", _FREE, False),
    ("-bsd-", _FREE, False),
    ("-cc0-", "free to use", False),
    ("-cc-by-", "free to use and to sell with; name its author", False),
)


def meaning(licence: str) -> tuple[str, bool]:
    """The sentence, and whether the owner has to agree to it before the model is installed."""
    words = "-" + re.sub(r"[^a-z0-9]+", "-", licence.lower()) + "-"
    for mark, sentence, binding in _PLAIN:
        if mark in words:
            return sentence, binding
    return "nobody here knows this licence: read it before you use the model for business", False
