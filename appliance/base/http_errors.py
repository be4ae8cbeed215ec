"""Errors as HTTP says them: the contract's table, for the box's web and for the wizard's."""

from appliance.base.errors import ApplianceError, Kind

STATUS: dict[Kind, int] = {
    "invalid": 400,
    "denied": 403,
    "not_found": 404,
    "conflict": 409,
    "exhausted": 429,
    "unavailable": 503,
    "data_loss": 500,
    "internal": 500,
}


class HttpError(ApplianceError):
    """An error for which HTTP has a word of its own, or headers."""

    def __init__(
        self,
        status: int,
        kind: Kind,
        message: str,
        hint: str = "",
        *,
        field: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(kind, message, hint, field=field)
        self.status = status
        self.headers = headers or {}
