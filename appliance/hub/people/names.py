"""User names that look like what they are."""

import unicodedata

from appliance.base.errors import ApplianceError, invalid

# Scripts with letters of one look; a name in one of them alone is fine (Unicode TR 39, section 5).
_ALIKE = frozenset({"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC"})
_BLANK = "\u115f\u1160\u2800\u3164\uffa0"  # letters and signs that show nothing


def checked(name: str) -> str:
    """``name`` as it is. Raises ``invalid`` where another would look the same: spaces around it or two in
    a row, what cannot be seen, another form of the same letters (NFKC, Unicode TR 15), a mixture of
    alphabets."""
    if name != " ".join(name.split()):
        raise _refused("spaces around it, or two in a row")
    if any(not char.isprintable() or char in _BLANK for char in name):
        raise _refused("characters that cannot be seen")
    if unicodedata.normalize("NFKC", name) != name:
        raise _refused("letters in another form than the usual one")
    words = {unicodedata.name(char, "").partition(" ")[0] for char in name if char.isalpha()}
    if len(words & _ALIKE) > 1:
        raise _refused("letters of several alphabets that look alike")
    return name


def _refused(what: str) -> ApplianceError:
    return invalid(f"this name has {what}", "write it plainly", field="username")
