"""The scenes by name."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drawn.actors import Actor, Corners, Truth, passers, standing
from drawn.backdrop import WIDE, car, person, yard
from drawn.camera import Camera, night
from drawn.weather import Cloud, Headlights, Insects, LongShadow, Rain, Sign, Tree, Weather

START_NS = 1_768_919_400 * 10**9


@dataclass(frozen=True)
class Shot:
    time_ns: int
    t: float
    luma: NDArray[np.uint8]
    truth: list[Truth]


@dataclass(frozen=True)
class Lure:
    """A place where a model sees something that is not there: in ``rate`` of the looks while it is
    there (None: it is not), with scores between 0.3 and ``score``."""

    box: Callable[[float], Corners | None]
    label: str
    rate: float
    score: float


@dataclass
class Scene:
    name: str
    seconds: float
    actors: list[Actor] = field(default_factory=list)
    weather: list[Weather] = field(default_factory=list)
    camera: Camera = field(default_factory=Camera)
    lures: list[Lure] = field(default_factory=list)

    def shots(self, fps: float, seed: int = 0, start_ns: int = START_NS) -> Iterator[Shot]:
        backdrop = yard()
        for number in range(round(self.seconds * fps)):
            t = number / fps
            random = np.random.default_rng((seed, number))
            canvas = backdrop.copy()
            for weather in self.weather:
                weather.behind(canvas, t)
            order = sorted(self.actors, key=lambda actor: (actor.at(t) or (0, 0))[1])
            for actor in order:
                actor.draw(canvas, t)
            for weather in self.weather:
                weather.before(canvas, t, random)
            truth = [found for actor in self.actors if (found := actor.truth(t)) is not None]
            yield Shot(start_ns + round(t * 1e9), t, self.camera.shoot(canvas, t, random), truth)


def glare(t: float) -> Corners | None:
    """The first pool of ``Headlights``, as a box."""
    x = (-100 + 850 * (t % 9.0) / 2.5) / WIDE
    return (max(0.0, x - 0.1), 0.25, min(1.0, x + 0.1), 0.5) if 0.0 < x < 1.0 else None


TREE = Lure(lambda _: (0.68, 0.2, 0.88, 0.6), "person", 0.15, 0.65)
BUSH = Lure(lambda _: (0.05, 0.4, 0.12, 0.6), "person", 0.5, 0.65)  # half taken for somebody, all day
GLARE = Lure(glare, "car", 0.25, 0.6)


def parked(seconds: float = 70.0) -> list[Actor]:
    """Two that stand, one that comes and stays, one that leaves."""
    return [
        standing("parked", "car", car(11, 150), 130, 215, 0, seconds),
        Actor("leaves", "car", car(12, 60), ((0, 330, 215), (45, 330, 215), (49, 800, 225))),
        Actor("comes", "car", car(13, 220), ((8, 800, 300), (13, 480, 300), (14.5, 450, 300),
              (seconds, 450, 300))),
    ]  # fmt: skip


def scenes() -> dict[str, Scene]:
    late = passers(30)
    statue = standing("statue", "person", person(20, 150), 560, 240, 0, 80)
    listed = [
        Scene("calm", 50, passers(5), lures=[BUSH]),
        Scene("parked cars", 75, [*parked(75), *passers(25)]),
        Scene("statue", 60, [statue, *passers(12)]),
        Scene("waving tree", 75, late, [Tree()], lures=[TREE]),
        Scene("rain", 75, late, [Rain()]),
        Scene("insects", 75, late, [Insects()], Camera(night, 4.0)),
        Scene("cloud", 60, passers(12), [Cloud(8), Cloud(34, 35)]),
        Scene("long shadow", 60, passers(12, shadow=1.5), [LongShadow(6), LongShadow(24), LongShadow(50)]),
        Scene("infra-red", 75, [statue, *parked(75)[:1], *passers(35)], [], Camera(infra_red=(20, 55))),
        Scene("headlights", 75, late, [Headlights()], Camera(night, 4.0), lures=[GLARE]),
        Scene("blinking sign", 75, late, [Sign()]),
        Scene("night noise", 60, passers(12), [], Camera(night, 9.0)),
        Scene("shaking camera", 60, passers(12), [], Camera(shake_px=2)),
    ]
    return {scene.name: scene for scene in listed}
