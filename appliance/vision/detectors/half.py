"""A model in half precision: the same graph with weights and arithmetic in FP16, inputs and outputs as
they were.

For runtimes whose networks are strongly typed (TensorRT computes in the types that the graph names) and for
smaller files. What needs the range or the steps of FP32 keeps it: operators that take FP32 by definition,
those that count past 2048, and those named by the caller.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from appliance.base.errors import invalid

_LARGEST = 65504.0
# Operators kept in FP32: Resize's scales and Range are FP32 by definition or count, NMS takes nothing else,
# and GridSample's and TopK's FP16 kernels are missing in most runtimes.
_KEPT = {"Resize", "Upsample", "Range", "NonMaxSuppression", "GridSample", "TopK", "CumSum", "RoiAlign"}
_UNTOUCHED = {"Shape", "Size", "Constant", "ConstantOfShape", "Cast"}  # they name their types themselves


def halve(source: Path, target: Path, keep: frozenset[str] = frozenset()) -> None:
    """Write ``source`` in FP16 as ``target``. ``keep``: names of nodes that stay in FP32. Raises ``invalid``
    for graphs with subgraphs, whose types cannot be changed one by one."""
    model = onnx.shape_inference.infer_shapes(onnx.load(source))
    graph = model.graph
    if any(attribute.type in (5, 10) for node in graph.node for attribute in node.attribute):
        raise invalid(f"{source.name} has branches or loops", "export it again without them")
    floats = _float_values(graph)
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            tensor.CopyFrom(_half(tensor, tensor.name))
    nodes, casts = [], _Casts(floats)
    ends = casts.leaving(graph)
    for value in graph.input:
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            nodes.append(casts.entering(value.name))
    for node in graph.node:
        _rename_inputs(node, casts)
        if node.op_type in _UNTOUCHED:
            _retype(node)
            nodes.append(node)
        elif node.op_type in _KEPT or node.name in keep:
            nodes += casts.around(node)
        else:
            nodes.append(node)
    nodes += ends
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    onnx.save(model, target)


class _Casts:
    """FP32 values of the old graph are FP16 in the new one, under the same name, except the graph's own
    inputs and outputs, which keep name and type."""

    def __init__(self, floats: set[str]) -> None:
        self._floats = floats
        self.renamed: dict[str, str] = {}

    def entering(self, name: str) -> Any:
        self.renamed[name] = f"{name}_half"
        self._floats.add(f"{name}_half")
        return helper.make_node("Cast", [name], [f"{name}_half"], to=TensorProto.FLOAT16)

    def around(self, node: Any) -> list[Any]:
        """The node in FP32, with casts before and after."""
        before, after = [], []
        for number, name in enumerate(node.input):
            if name in self._floats:
                before.append(helper.make_node("Cast", [name], [f"{name}_{node.name}_in{number}"], to=1))
                node.input[number] = f"{name}_{node.name}_in{number}"
        for number, name in enumerate(node.output):
            if name in self._floats:
                node.output[number] = f"{name}_full"
                after.append(helper.make_node("Cast", [f"{name}_full"], [name], to=TensorProto.FLOAT16))
        return [*before, node, *after]

    def leaving(self, graph: Any) -> list[Any]:
        """FP32 ends: what made them is renamed, and a cast makes the end."""
        casts = []
        ends = {value.name for value in graph.output} & self._floats
        for node in graph.node:
            for names in (node.input, node.output):
                for number, name in enumerate(names):
                    if name in ends:
                        names[number] = f"{name}_half"
        for name in sorted(ends):
            self._floats.add(f"{name}_half")
            casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
        return casts


def _rename_inputs(node: Any, casts: _Casts) -> None:
    for number, name in enumerate(node.input):
        node.input[number] = casts.renamed.get(name, name)


def _retype(node: Any) -> None:
    """Constants and casts to FP32 become those to FP16."""
    for attribute in node.attribute:
        if attribute.name == "to" and attribute.i == TensorProto.FLOAT:
            attribute.i = TensorProto.FLOAT16
        elif attribute.name == "value" and attribute.t.data_type == TensorProto.FLOAT:
            attribute.t.CopyFrom(_half(attribute.t, attribute.t.name))
    if node.op_type == "ConstantOfShape" and not node.attribute:  # zeros in FP32, by default
        node.attribute.append(
            helper.make_attribute("value", numpy_helper.from_array(np.zeros(1, np.float16)))
        )


def _half(tensor: Any, name: str) -> Any:
    values = numpy_helper.to_array(tensor)
    return numpy_helper.from_array(np.clip(values, -_LARGEST, _LARGEST).astype(np.float16), name)


def _float_values(graph: Any) -> set[str]:
    """Names of all FP32 values: typed by inference, or constants."""
    typed = [*graph.value_info, *graph.input, *graph.output]
    floats = {value.name for value in typed if value.type.tensor_type.elem_type == TensorProto.FLOAT}
    return floats | {tensor.name for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT}
