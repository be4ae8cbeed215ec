"""What a password must be, wherever one is chosen: in the daemon, at the hub, by a command, in the wizard."""

from appliance.base.errors import invalid

SHORTEST = 10
LONGEST = 200
FEWEST = 4  # letters beside the user's own name

# What is tried first, without the digits and signs that people put around it (lists of leaked passwords are
# headed by these; shorter ones never pass), with the letters that 0, 1, 3, 4, 5, 7, @ and $ stand for.
_COMMON = frozenset({
    "abc", "abcd", "abcdef", "abcdefgh", "abcdefghij", "admiadmin", "admin", "adminadmin",
    "administrator", "appliance", "aries", "asdfgh", "asdfghjkl", "autumn", "azerty", "azertyuiop",
    "baseball", "basketball", "batman", "camera", "cameras", "changeme", "computer", "contrasena",
    "correcthorsebatterystaple", "default", "dragon", "football", "guest", "hallo", "hello",
    "helloworld", "iloveyou", "internet", "iqaz", "iqazzwsx", "jennifer", "letmein", "loveyou",
    "master", "michael", "monkey", "motdepasse", "operator", "parola", "password", "passwordpassword",
    "passwords", "passwort", "pokemon", "princess", "qazwsx", "qazwsxedc", "qwerty", "qwertyui",
    "qwertyuiop", "qwertz", "qwertzuiop", "root", "samsung", "secret", "security", "shadow", "spring",
    "starwars", "summer", "sunshine", "superman", "surveillance", "test", "testing", "testtest",
    "trustnoi", "user", "video", "welcome", "welcomeback", "welcomehome", "whatever", "winter",
    "yxcvbnm", "zxcvbnm",
})  # fmt: skip
_LETTERS = str.maketrans("013457@$", "oieastas")


def check_strength(password: str, username: str, field: str) -> None:
    """Long enough, not the name itself (NIST SP 800-63B: length counts, composition rules do not).

    Raises ``invalid``.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise invalid(
            "the password is too short" if len(password) < SHORTEST else "the password is too long",
            f"use {SHORTEST} to {LONGEST} characters; a sentence is easier to remember than symbols",
            field=field,
        )
    if _is_name(password, username) or len(set(password)) < 4 or _is_common(password):
        raise invalid("this password is too easy to guess", "use a sentence of your own", field=field)


def _is_name(password: str, username: str) -> bool:
    """The user's name, also twice, or with a few letters or digits around it."""
    text, name = password.casefold(), username.casefold()
    if text == name:
        return True
    left = text.replace(name, "") if len(name) > 2 else text
    return left != text and sum(char.isalpha() for char in left) < FEWEST


def _is_common(password: str) -> bool:
    """A word of ``_COMMON`` with digits and signs around it or for letters of it, or a row of keys."""
    text = password.casefold()
    plain = "".join(char for char in text if char.isalnum())
    rows = ("01234567890123456789", "98765432109876543210", "1q2w3e4r5t6z7u8i9o0p", "1q2w3e4r5t6y7u8i9o0p")
    if any(plain in row for row in rows):
        return True
    kept = "".join(char for char in text.strip("0123456789!?.,-_#*+ ").translate(_LETTERS) if char.isalpha())
    bare = "".join(char for char in text.translate(_LETTERS) if char.isalpha())
    return kept in _COMMON or bare in _COMMON or (not kept and len(set(plain)) < 6)
