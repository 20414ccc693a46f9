"""Casts of a TFLite file that change nothing: they hold layers in float32 while it is converted, and then go."""

from kres.export.files.flatbuffer import operator_name, pack, unpack


def without_casts(content: bytes) -> bytes:
    """Give a TFLite file without the casts from float32 to float64 and back.

    The converter computes in integers whatever lies between two rounded tensors; a cast is an operation that it has in
    floating point alone, so one behind a layer leaves that in float32. XNNPACK does not run it.
    """
    from ai_edge_litert.schema_py_generated import TensorType

    model = unpack(content)
    graph = model.subgraphs[0]
    casts = [node for node in graph.operators if operator_name(model.operatorCodes[node.opcodeIndex]) == "CAST"]
    widened = {
        int(node.outputs[0]): int(node.inputs[0])
        for node in casts
        if graph.tensors[node.outputs[0]].type == TensorType.FLOAT64
    }
    origin = {int(node.outputs[0]): widened[int(node.inputs[0])] for node in casts if int(node.inputs[0]) in widened}
    if not origin:
        return content
    gone = {*widened, *origin}
    graph.operators = [node for node in graph.operators if not gone.intersection(map(int, node.outputs))]
    for node in graph.operators:
        node.inputs = [origin.get(int(index), int(index)) for index in node.inputs]
    graph.outputs = [origin.get(int(index), int(index)) for index in graph.outputs]
    return pack(model)
