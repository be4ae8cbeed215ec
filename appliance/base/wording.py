"""What msgspec says of a value that does not fit, in words for people."""

import re
from typing import Final

_KINDS: Final = {
    "int": "a whole number", "float": "a number", "str": "text", "bool": "true or false", "array": "a list",
    "object": "an object", "null": "nothing",
}  # fmt: skip
_LENGTH = re.compile(r"Expected `(str|array|object)` of length (<=|>=) (\d+)")
_BOUND = re.compile(r"Expected `(?:int|float)` (<=|>=|<|>) (\S+)")
_KIND = re.compile(r"Expected `(\w+)(?: \| null)?`, got `\w+`")
_MISSING = re.compile(r"Object missing required field `[^`]*`")


def of_people(message: str) -> str | None:
    """None where there are no better words than msgspec's own."""
    if found := _LENGTH.fullmatch(message):
        kind, sign, count = found.groups()
        if sign == ">=" and count == "1":
            return "this is empty"
        what = "characters" if kind == "str" else "of them"
        return f"this is too {'long: at most' if sign == '<=' else 'short: at least'} {count} {what}"
    if found := _BOUND.fullmatch(message):
        words = {"<=": "at most", ">=": "at least", "<": "less than", ">": "more than"}
        return f"this is out of range: {words[found[1]]} {found[2]}"
    if (found := _KIND.fullmatch(message)) and found[1] in _KINDS:
        return f"this is to be {_KINDS[found[1]]}"
    return "this is missing" if _MISSING.fullmatch(message) else None
