"""The scenes by name."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drawn.actors import Actor, Corners, Truth, passers, standing
from drawn.backdrop import car, person, yard
from drawn.camera import Camera, night
from drawn.weather import Cloud, Headlights, Insects, LongShadow, Rain, Tree, Weather

START_NS = 1_768_919_400 * 10**9


@dataclass(frozen=True)
class Shot:
    time_ns: int
    t: float
    luma: NDArray[np.uint8]
    truth: list[Truth]


@dataclass(frozen=True)
class Lure:
    """A place where a model sees something that is not there: so often, with scores up to so much."""

    box: Corners
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

    def shots(self, fps: float, seed: int = 0) -> Iterator[Shot]:
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
            yield Shot(START_NS + round(t * 1e9), t, self.camera.shoot(canvas, t, random), truth)


TREE = Lure((0.68, 0.2, 0.88, 0.6), "person", 0.04, 0.55)
GLARE = Lure((0.2, 0.25, 0.5, 0.5), "car", 0.03, 0.5)


def parked(seconds: float = 70.0) -> list[Actor]:
    """Two that stand, one that comes and stays, one that leaves."""
    return [
        standing("parked", "car", car(11, 150), 130, 215, 0, seconds),
        Actor("leaves", "car", car(12, 60), ((0, 330, 215), (45, 330, 215), (49, 800, 225))),
        Actor("comes", "car", car(13, 220), ((8, 800, 300), (13, 480, 300), (14.5, 450, 300), (seconds, 450, 300))),
    ]  # fmt: skip


def scenes() -> dict[str, Scene]:
    late = passers(30)
    statue = standing("statue", "person", person(20, 150), 560, 240, 0, 80)
    listed = [
        Scene("calm", 50, passers(5)),
        Scene("parked cars", 75, [*parked(75), *passers(25)]),
        Scene("statue", 60, [statue, *passers(12)]),
        Scene("waving tree", 75, late, [Tree()], lures=[TREE]),
        Scene("rain", 75, late, [Rain()]),
        Scene("insects", 75, late, [Insects()], Camera(night, 4.0)),
        Scene("cloud", 60, passers(12), [Cloud(8), Cloud(34, 35)]),
        Scene("long shadow", 60, passers(12, shadow=1.5), [LongShadow(6), LongShadow(24), LongShadow(50)]),
        Scene("infra-red", 75, [statue, *parked(75)[:1], *passers(35)], [], Camera(infra_red=(20, 55))),
        Scene("headlights", 75, late, [Headlights()], Camera(night, 4.0), lures=[GLARE]),
        Scene("night noise", 60, passers(12), [], Camera(night, 9.0)),
        Scene("shaking camera", 60, passers(12), [], Camera(shake_px=2)),
    ]
    return {scene.name: scene for scene in listed}
