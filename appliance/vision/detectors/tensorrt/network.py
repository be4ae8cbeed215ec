"""ONNX to TensorRT's network: what it cannot run is refused by the operator's name."""

from collections.abc import Sequence
from typing import Any

from appliance.base.errors import ApplianceError, invalid
from appliance.vision.detectors.tensorrt.library import Library

BATCHES = (1, 8, 32)  # of the optimisation profile: least, best, most


def parse(library: Library, builder: Any, model: bytes, name: str, dla: bool = False) -> tuple[Any, Any]:
    """A strongly typed network, and the parser, which owns the weights: keep both until it is built.
    Raises ``invalid``; ``name`` is for people."""
    if not model:  # TensorRT's parser does not survive it
        raise invalid(f"{name} is empty", "install the model pack again")
    trt = library.trt
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, library.logger)
    if dla and hasattr(trt.OnnxParserFlag, "ADJUST_FOR_DLA"):
        parser.set_flag(trt.OnnxParserFlag.ADJUST_FOR_DLA)
    if not parser.parse(model):
        errors = [parser.get_error(number) for number in range(parser.num_errors)]
        raise _refusal(trt, errors, name)
    if network.num_inputs == 0 or network.num_outputs == 0:
        raise invalid(f"{name} is not a detector: it has no input or no output", _OTHER)
    return network, parser


_OTHER = "use another backend for this model, or another model"


def _refusal(trt: Any, errors: Sequence[Any], name: str) -> ApplianceError:
    unknown = (trt.ErrorCode.UNSUPPORTED_NODE, trt.ErrorCode.UNSUPPORTED_GRAPH)
    operators = sorted({error.node_operator() for error in errors if error.node_operator()})
    if not operators:
        why = errors[0].desc() if errors else "it is not an ONNX model"
        return invalid(f"TensorRT cannot read {name}: {why}", "install the model pack again")
    listed = ", ".join(operators)
    if any(error.code() in unknown for error in errors):
        return invalid(f"TensorRT does not know the operator {listed} of {name}", _OTHER)
    return invalid(f"TensorRT cannot run {listed} of {name}: {errors[0].desc()}", _OTHER)


def precision(trt: Any, network: Any) -> str:
    """What the graph computes in: ``fp32``, ``fp16``, ``bf16``, or ``int8``, ``fp8`` where it has Q/DQ."""
    types = set()
    for number in range(network.num_layers):
        layer = network.get_layer(number)
        for output in range(layer.num_outputs):
            types.add(layer.get_output(output).dtype)
    lowest_first = (("fp8", "FP8"), ("int8", "INT8"), ("bf16", "BF16"), ("fp16", "HALF"))
    for name, member in lowest_first:
        if getattr(trt.DataType, member, None) in types:
            return name
    return "fp32"


def profile(builder: Any, network: Any, largest: int) -> tuple[Any | None, tuple[int, ...]]:
    """An optimisation profile and its batch sizes; None where the batch is fixed.

    A model with a fixed batch keeps it: making it dynamic means to rewrite its reshapes, and where one
    of them is missed, pictures flow into each other without an error. Raises ``invalid`` where
    something else than the batch is left open.
    """
    inputs = [network.get_input(number) for number in range(network.num_inputs)]
    moving = [tensor for tensor in inputs if -1 in tuple(tensor.shape)]
    for tensor in inputs:
        if tensor.is_shape_tensor or -1 in tuple(tensor.shape)[1:]:
            raise invalid(
                f"the input {tensor.name!r} is open in more than its batch: {tuple(tensor.shape)}",
                "export the model with a fixed width and height",
            )
    if not moving:
        sizes = {int(tensor.shape[0]) for tensor in inputs if len(tensor.shape) == 4}
        return None, (max(sizes, default=1),)
    batches = tuple(min(batch, largest) for batch in BATCHES)
    chosen = builder.create_optimization_profile()
    for tensor in moving:
        rest = tuple(tensor.shape)[1:]
        chosen.set_shape(tensor.name, *((batch, *rest) for batch in batches))
    return chosen, tuple(sorted(set(batches)))
