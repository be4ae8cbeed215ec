"""Programs of the machine that change it (ip, nft, wireguard-go): lists of words, never a shell.

``prefix`` stands before every command: in tests ``ip netns exec NAME``, on a box nothing.
"""

import shutil
import subprocess

import msgspec

from appliance.base.errors import ApplianceError

ANSWER_S = 10.0


class Done(msgspec.Struct, frozen=True):
    """``text``: stdout, ``error``: stderr without its last line end."""

    status: int
    text: str
    error: str


class Programs(msgspec.Struct, frozen=True):
    prefix: tuple[str, ...] = ()

    def has(self, name: str) -> bool:
        return shutil.which(name) is not None

    def ask(self, *words: str, given: str | None = None, within_s: float = ANSWER_S) -> Done:
        """Whatever comes of it. ``given`` goes to stdin. Raises ``unavailable`` where the program is not
        there, or does not end within ``within_s``."""
        try:
            done = subprocess.run(
                [*self.prefix, *words],
                input=given,
                capture_output=True,
                text=True,
                check=False,
                timeout=within_s,
            )
        except FileNotFoundError as error:
            raise ApplianceError(
                "unavailable",
                f"the program {words[0]} is not installed",
                f"install it: {_PACKAGE.get(words[0], words[0])}",
            ) from error
        except subprocess.TimeoutExpired as error:
            raise ApplianceError(
                "unavailable", f"{words[0]} does not end", "try again; look at `dmesg`"
            ) from error
        return Done(done.returncode, done.stdout, done.stderr.strip())

    def must(self, *words: str, given: str | None = None, within_s: float = ANSWER_S) -> str:
        """stdout. Raises ``unavailable``, or ``denied`` for want of a right, with the program's words."""
        done = self.ask(*words, given=given, within_s=within_s)
        if done.status == 0:
            return done.text
        text = f"{words[0]}: {_first_line(done.error) or f'status {done.status}'}"
        if "not permitted" in done.error or "Permission denied" in done.error:
            raise ApplianceError("denied", text, NEEDS_RIGHTS)
        raise ApplianceError("unavailable", text, f"run `{' '.join(words)}` by hand to see why")

    def start(self, *words: str, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        """A child of ours that stays; it inherits stderr, so that its words are in our log."""
        return subprocess.Popen(
            [*self.prefix, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=environment,
            start_new_session=False,
        )


NEEDS_RIGHTS = "this needs CAP_NET_ADMIN: run it as root, or through its unit in systemd/"
_PACKAGE = {
    "ip": "apt-get install iproute2",
    "nft": "apt-get install nftables",
    "wireguard-go": "apt-get install wireguard-go",
}


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")[:200]
