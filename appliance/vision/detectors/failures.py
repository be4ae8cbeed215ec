"""What a backend says when it cannot go on, where the answer is more than words for people."""

from appliance.base.errors import ApplianceError, Kind


class Lost(ApplianceError):
    """The device is lost to this process: only a new one gets it back. Nobody below the process may
    count this as one failed look, or as the fault of a model."""

    def __init__(self, message: str) -> None:
        super().__init__("internal", message, "analysis starts again by itself; if it goes on, see dmesg")


class OutOfMemory(ApplianceError):
    """The chip has no room for this now. The same with less may go well, and the same later."""

    def __init__(self, message: str) -> None:
        super().__init__("exhausted", message, "use a smaller model, or end what else uses the GPU")


class Unbuilt(ApplianceError):
    """The backend could run this model, and what it needs built for this chip is not there. ``refused``:
    the name of the file that is there and is not taken, or empty."""

    def __init__(self, kind: Kind, message: str, hint: str, refused: str = "") -> None:
        super().__init__(kind, message, hint)
        self.refused = refused
