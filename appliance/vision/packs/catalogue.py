"""Models that are known by their content: the bare file is enough, its SHA-256 says which it is."""

from typing import Literal

import msgspec

from appliance.vision.packs.pack import Pack, PackFile

_COCO = (
    "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,"
    "parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,"
    "handbag,tie,suitcase,frisbee,skis,snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,"
    "surfboard,tennis racket,bottle,wine glass,cup,fork,knife,spoon,bowl,banana,apple,sandwich,orange,"
    "broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,potted plant,bed,dining table,toilet,tv,laptop,"
    "mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,refrigerator,book,clock,vase,scissors,"
    "teddy bear,hair drier,toothbrush"
)
COCO: tuple[str, ...] = tuple(_COCO.split(","))


def _coco(
    name: str,
    family: str,
    file: str,
    digest: str,
    source: str,
    colours: Literal["RGB", "BGR"],
    side: int = 416,
) -> Pack:
    return Pack(
        name=name,
        version="1",
        family=family,
        files=(PackFile(file, digest),),
        input_width=side,
        input_height=side,
        labels=COCO,
        licence="Apache-2.0",
        source=source,
        colour_order=colours,
    )


KNOWN = (
    _coco(
        "deimv2-femto",
        "detr",
        "deimv2_femto_416.onnx",
        "c6ad358f750132b891165e034c2ba507abefc5ebe1c1d2732a0acbcacc47e52c",
        "Kazuhito00/DEIMv2-ONNX-Sample: model/deimv2_hgnetv2_femto_coco.onnx",
        "RGB",
    ),
    _coco(
        "yolox-nano",
        "yolox",
        "yolox_nano_416.onnx",
        "695e750a5d5754bb5a8d5325643b59282191a7e7a564e435a415fd3c578eab14",
        "Kazuhito00/YOLOX-ONNX-TFLite-Sample: model/yolox_nano.onnx",
        "BGR",
    ),
    # The hashes of the next two are those that many who fetched the maker's release have published;
    # the models themselves were not run by us.
    _coco(
        "yolox-tiny",
        "yolox",
        "yolox_tiny.onnx",
        "427cc366d34e27ff7a03e2899b5e3671425c262ea2291f88bb942bc1cc70b0f7",
        "Megvii-BaseDetection/YOLOX: release 0.1.1rc0",
        "BGR",
    ),
    _coco(
        "yolox-s",
        "yolox",
        "yolox_s.onnx",
        "c5c2d13e59ae883e6af3b45daea64af4833a4951c92d116ec270d9ddbe998063",
        "Megvii-BaseDetection/YOLOX: release 0.1.1rc0",
        "BGR",
        640,
    ),
    Pack(
        name="pvb-2003",
        version="1",
        family="openvino-ssd",
        files=(
            PackFile(
                "person-vehicle-bike-detection-2003-FP16.xml",
                "2dd003f80c754af3d84d6861896d45dce35af93ec78b0904cd3f644b0bbcae62",
            ),
            PackFile(
                "person-vehicle-bike-detection-2003-FP16.bin",
                "b9f976542cb100f3968acadd3d031918abf1b6006110bf1e40ddbd3291656bd1",
            ),
        ),
        input_width=864,
        input_height=480,
        labels=("vehicle", "person", "bike"),
        licence="Apache-2.0",
        source="Intel Open Model Zoo: person-vehicle-bike-detection-2003, FP16",
        colour_order="BGR",
        precision="half",
    ),
)


class Place(msgspec.Struct, frozen=True):
    """Where a file of a known pack can be had, and how long it is. Its SHA-256 decides, not the place."""

    url: str
    bytes_: int


def _github(repository: str, commit: str, path: str) -> str:
    return f"https://github.com/{repository}/raw/{commit}/{path}"


_YOLOX = "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0/"
_PVB = "intel/person-vehicle-bike-detection-2003/FP16/person-vehicle-bike-detection-2003"
_PVB_COMMIT = "cb2d3538ec962ce1696739682d766383f51326cd"
_PLACES = {  # name: one for each of its files
    "deimv2-femto": (
        Place(
            _github(
                "Kazuhito00/DEIMv2-ONNX-Sample",
                "f88d4382abca74edb26ed4c7f46190ac40da0ea5",
                "model/deimv2_hgnetv2_femto_coco.onnx",
            ),
            4_116_144,
        ),
    ),
    "yolox-nano": (
        Place(
            _github("Kazuhito00/YOLOX-ONNX-TFLite-Sample", "3d4f1119d0", "model/yolox_nano.onnx"), 3_660_092
        ),
    ),
    "yolox-tiny": (Place(_YOLOX + "yolox_tiny.onnx", 20_219_662),),
    "yolox-s": (Place(_YOLOX + "yolox_s.onnx", 35_858_002),),
    "pvb-2003": (
        Place(_github("lsdace30095/cmrpack23", _PVB_COMMIT, _PVB + ".xml"), 1_228_409),
        Place(_github("lsdace30095/cmrpack23", _PVB_COMMIT, _PVB + ".bin"), 3_906_044),
    ),
}


def known(name: str) -> Pack | None:
    return next((pack for pack in KNOWN if pack.name == name), None)


def places(pack: Pack) -> tuple[Place, ...]:
    """One for each of ``pack.files``, in their order; ``pack`` is one of ``KNOWN``."""
    return _PLACES[pack.name]
