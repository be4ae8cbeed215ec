"""Models that are known by their content: the bare file is enough, its SHA-256 says which it is."""

from typing import Literal

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
    name: str, family: str, file: str, digest: str, source: str, colours: Literal["RGB", "BGR"]
) -> Pack:
    return Pack(
        name=name,
        version="1",
        family=family,
        files=(PackFile(file, digest),),
        input_width=416,
        input_height=416,
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
)
