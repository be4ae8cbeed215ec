"""One request for a page: who asks, for what, and the frame that every page has."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from appliance.base.errors import ApplianceError, not_found
from appliance.base.model import ROLES, Camera, Role, User
from appliance.web.box import Box
from appliance.web.pages import data, words
from appliance.web.pages.view import render


class Asked:
    """One request for a page: the box, the request and the page's frame."""

    def __init__(self, box: Box, request: web.Request, frame: data.Frame) -> None:
        self.box = box
        self.request = request
        self.frame = frame

    @property
    def user(self) -> User:
        return self.frame.user

    def may(self, role: Role) -> bool:
        return ROLES.index(self.user.role) >= ROLES.index(role)

    def need(self, role: Role) -> None:
        """Raises ``denied`` below ``role``."""
        if not self.may(role):
            raise ApplianceError(
                "denied",
                f"this page is for the {role} role",
                "ask an admin of this box to do it or to raise you",
            )

    def camera(self) -> Camera:
        """The camera named in the path. Raises ``not_found``, also for one this user may not see."""
        wanted = self.request.match_info["id"]
        for camera in self.frame.cameras:
            if camera.id == wanted:
                return camera
        raise not_found("camera", wanted)

    def page(self, template: str, here: str, title: str, **values: Any) -> str:
        now_ns = self.box.clock.now_ns()
        return render(
            template,
            here=here,
            title=title,
            may=self.may,
            theme=theme_of(self.request),
            now_ms=now_ns // 1_000_000,
            request_path=self.request.path,
            version=self.box.version,
            frame=self.frame,
            user=self.user,
            when=lambda text: words.moment(text, self.frame.zone, now_ns),
            event_title=lambda event: words.event_title(event, self.frame.names.zones),
            camera_name=lambda id_: self.frame.names.cameras.get(id_, id_) or words.THE_BOX,
            **values,
        )


Page = Callable[[Asked], Awaitable[str]]


def theme_of(request: web.Request) -> str:
    theme = request.cookies.get("theme", "")
    return theme if theme in ("dark", "light") else ""
