"""TFLite's flatbuffer as objects that can be changed: reading, naming, writing."""

from functools import cache
from typing import Any

import flatbuffers
import numpy as np

# What the schema asks for in a model's buffers, where the generated code aligns bytes to one byte.
ALIGNMENT = 16
MARK = b"TFL3"


def unpack(content: bytes) -> Any:
    """Give the schema's `ModelT` of a TFLite file's content; raises whatever damaged bytes lead to."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    for buffer in model.buffers or ():
        if buffer.offset > 1:  # a writer may lay the bytes behind the flatbuffer, and note here where
            buffer.data = np.frombuffer(content, np.uint8)[buffer.offset : buffer.offset + buffer.size]
            buffer.offset = buffer.size = 0
    return model


def pack(model: Any) -> bytes:
    """Give a TFLite file's content of the schema's `ModelT`."""
    builder = _AlignedBuilder(1024)
    builder.Finish(model.Pack(builder), MARK)
    return bytes(builder.Output())


def operator_names(model: Any) -> list[str]:
    """Name the type of each node of the main graph."""
    codes = [operator_name(code) for code in model.operatorCodes]
    return [codes[node.opcodeIndex] for node in model.subgraphs[0].operators]


def operator_name(code: Any) -> str:
    """Name an operator's type by its code."""
    # Codes below 127 stand in the older field, and an older writer fills that one alone.
    return code.customCode.decode() if code.customCode else _names()[max(code.builtinCode, code.deprecatedBuiltinCode)]


def is_constant(model: Any, tensor: Any) -> bool:
    """Say whether a tensor's values stand in the file."""
    data = model.buffers[tensor.buffer].data
    return data is not None and len(data) > 0


@cache
def _names() -> dict[int, str]:
    from ai_edge_litert import schema_py_generated as schema

    return {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}


class _AlignedBuilder(flatbuffers.Builder):
    def StartVector(self, elemSize: int, numElems: int, alignment: int) -> int:  # noqa: N802, N803
        return super().StartVector(elemSize, numElems, ALIGNMENT if elemSize == 1 else alignment)
