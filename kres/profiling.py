"""What a network costs to run: parameters, multiply-accumulates, activations and memory, layer by layer."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import keras

from kres import costs
from kres.specs import is_count
from kres.tracing import traced, traced_or_none

Tensor = Any


@dataclass(frozen=True, kw_only=True)
class LayerProfile:
    """One layer's costs for one image."""

    name: str
    """With the names of the nested models that it stands in, as `model/layer`."""
    kind: str
    output_shape: tuple[int, ...]
    """Without the batch."""
    params: int
    """Weights, moving statistics not counted; a shared layer has them where it runs first."""
    macs: int | None
    """Multiply-accumulates as fvcore counts them; None where the layer's costs are not known."""
    activations: int
    """Values that the layer writes; none where its output is its input in another shape."""
    conv_activations: int
    """Values that its convolutions and matrix products write."""
    alive_bytes: int
    """Memory of all activations that exist while the layer runs, its input and output among them."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What a network costs for one image (batch 1): a row a layer in the order they run, and the totals."""

    network: str
    input_shape: tuple[int, ...]
    """(h, w, c)."""
    layers: tuple[LayerProfile, ...] = field(repr=False)
    params: int
    macs: int
    """Multiply-accumulates of all layers that are not in `unknown`."""
    activations: int
    """Values that all layers write."""
    conv_activations: int
    """Values that convolutions and matrix products write: "activations" in Radosavovic et al. 2020, arXiv 2003.13678,
    and in timm's tables."""
    peak_bytes: int
    """Largest `alive_bytes`: memory for activations if each is freed behind its last use and none is overwritten; what
    a kernel needs for itself is not in it."""
    unknown: tuple[str, ...]
    """Layers whose multiply-accumulates are not known."""

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON holds them."""
        return asdict(self)


def profile(model: keras.Model, *, input_shape: tuple[int, int, int] | None = None) -> Profile:
    """Count what a functional Keras model costs for one image: a nested model layer by layer, other layers as one row.

    Multiply-accumulates are counted as in fvcore, whose counts timm publishes. A layer made of other layers, such as
    attention, is counted by what it calls; one that calls anything but Keras's layers and operations is in `unknown`.

    Args:
        model: functional or sequential, with one input.
        input_shape: (h, w, c), where the model's own leaves the size open.

    Raises:
        ValueError: `model` is not functional or has several inputs, or its size is open and not given, or another.
    """
    shape = _shape(model, input_shape)
    rows = _Walk().rows(model, keras.KerasTensor((1, *shape), dtype=model.inputs[0].dtype))
    return Profile(
        network=model.name,
        input_shape=shape,
        layers=rows,
        params=sum(row.params for row in rows),
        macs=sum(row.macs or 0 for row in rows),
        activations=sum(row.activations for row in rows),
        conv_activations=sum(row.conv_activations for row in rows),
        peak_bytes=max((row.alive_bytes for row in rows), default=0),
        unknown=tuple(row.name for row in rows if row.macs is None),
    )


def _shape(model: Any, given: tuple[int, int, int] | None) -> tuple[int, ...]:
    if not isinstance(model, (keras.Function, keras.Sequential)) or not model.built:
        raise ValueError(f"A profile needs a functional model. Received: {type(model).__name__}")
    if len(model.inputs) != 1:
        raise ValueError(f"A profile needs a model of one input. Received: {len(model.inputs)} inputs")
    own = tuple(model.inputs[0].shape[1:])
    shape = own if given is None else tuple(given) if isinstance(given, Iterable) else (given,)
    if not all(size is None or is_count(size) for size in shape):
        raise ValueError(f"`input_shape` is (h, w, c), in pixels and channels. Received: input_shape={given!r}")
    if None in shape:
        raise ValueError(f"The model's input size is open: give `input_shape`. Received: input_shape={own}")
    if len(shape) != len(own) or any(size not in (None, new) for size, new in zip(own, shape, strict=True)):
        raise ValueError(f"The model's input shape is {own}. Received: input_shape={given!r}")
    return shape


@dataclass(kw_only=True)
class _Row:
    """A layer on the way to its LayerProfile; one that is made of others takes many steps."""

    name: str
    kind: str
    params: int
    output_shape: tuple[int, ...] = ()
    steps: list["_Step"] = field(default_factory=list)


@dataclass(kw_only=True)
class _Step:
    """One call that is counted as a whole: what it costs, and the memory that it reads and writes, by its owner."""

    macs: int | None
    product: bool
    reads: set[int]
    writes: dict[int, Tensor]
    alive_bytes: int = 0


class _Walk:
    """Runs a model on shapes alone, and notes which operations run, and on what."""

    def __init__(self) -> None:
        self._rows: list[_Row] = []
        self._steps: list[_Step] = []
        self._counted: set[int] = set()
        # By a tensor's id, the id of the tensor whose memory it is in. A tensor that is kept keeps its id.
        self._owner: dict[int, int] = {}
        self._kept: list[Any] = []

    def rows(self, model: Any, image: Tensor) -> tuple[LayerProfile, ...]:
        """A row a layer, in the order they run on `image`."""
        self._steps.append(_Step(macs=0, product=False, reads=set(), writes={}))
        self._own([image], self._steps[0])
        self._kept.append(image)
        outputs = _tensors(self._run_graph(traced(model, (image,), {}), [image], prefix="", row=None))
        self._sweep({self._owner[id(output)] for output in outputs})
        return tuple(map(_finished, self._rows))

    def _run_graph(self, graph: Any, inputs: Sequence[Tensor], *, prefix: str, row: _Row | None) -> Any:
        """Run a keras.Function; each of its operations is a row, or all belong to `row`."""

        def runner(operation: Any) -> Callable[..., Any]:
            return lambda *args, **kwargs: self._run(operation, args, kwargs, prefix=prefix, row=row)

        return graph._run_through_graph(list(inputs), operation_fn=runner)

    def _run(self, operation: Any, args: Any, kwargs: Any, *, prefix: str, row: _Row | None) -> Any:
        inputs = _tensors((args, kwargs))
        if row is None and isinstance(operation, (keras.Function, keras.Sequential)):
            inner = traced(operation, args, kwargs)
            return self._run_graph(inner, inputs, prefix=f"{prefix}{operation.name}/", row=None)
        if row is None:
            row = self._new_row(prefix + operation.name, operation)
            self._rows.append(row)
        count = costs.rule(operation)
        graph = None if count is not None else traced_or_none(operation, args, kwargs)
        if graph is not None:
            outputs = self._run_graph(graph, inputs, prefix="", row=row)
        else:
            outputs = _output_spec(operation, args, kwargs)
            self._note(operation, count, keras.tree.flatten((args, kwargs)), outputs, row)
        row.output_shape = tuple(_tensors(outputs)[0].shape[1:])
        return outputs

    def _note(self, operation: Any, count: costs.Rule | None, arguments: list[Any], outputs: Any, row: _Row) -> None:
        """A step more: its costs, and who owns the memory of its outputs."""
        inputs, results = _tensors(arguments), _tensors(outputs)
        operands = [argument for argument in arguments if hasattr(argument, "shape")]
        step = _Step(
            macs=None if count is None else count(costs.Call(operation, operands, results)),
            product=costs.is_product(operation),
            reads={self._owner[id(tensor)] for tensor in inputs},
            writes={},
        )
        if isinstance(operation, costs.VIEWS):
            self._owner[id(results[0])] = self._owner[id(inputs[0])]
        else:
            self._own(results, step)
        self._kept += results
        self._steps.append(step)
        row.steps.append(step)

    def _own(self, tensors: list[Tensor], step: _Step) -> None:
        step.writes = {id(tensor): tensor for tensor in tensors}
        self._owner |= {id(tensor): id(tensor) for tensor in tensors}

    def _new_row(self, name: str, operation: Any) -> _Row:
        """A row for an operation, with those of its parameters that no row before has."""
        new = {id(variable): variable for variable in costs.parameters(operation) if id(variable) not in self._counted}
        self._counted |= set(new)
        return _Row(name=name, kind=type(operation).__name__, params=sum(map(costs.elements, new.values())))

    def _sweep(self, outputs: set[int]) -> None:
        """Give each step the memory that is alive in it: what is written by then, and is read then or later."""
        last = {owner: number for number, step in enumerate(self._steps) for owner in (*step.writes, *step.reads)}
        last |= dict.fromkeys(outputs, len(self._steps))
        alive: dict[int, int] = {}
        for number, step in enumerate(self._steps):
            alive |= {owner: _bytes(tensor) for owner, tensor in step.writes.items()}
            step.alive_bytes = sum(alive.values())
            alive = {owner: size for owner, size in alive.items() if last[owner] > number}


def _finished(row: _Row) -> LayerProfile:
    macs = [step.macs for step in row.steps]
    return LayerProfile(
        name=row.name,
        kind=row.kind,
        output_shape=row.output_shape,
        params=row.params,
        macs=None if None in macs else sum(count for count in macs if count is not None),
        activations=sum(_written(step) for step in row.steps),
        conv_activations=sum(_written(step) for step in row.steps if step.product),
        alive_bytes=max((step.alive_bytes for step in row.steps), default=0),
    )


def _written(step: _Step) -> int:
    return sum(map(costs.elements, step.writes.values()))


def _bytes(tensor: Tensor) -> int:
    bits = {"bool": 8}.get(tensor.dtype) or int("".join(filter(str.isdigit, tensor.dtype.split("_")[0])))
    return costs.elements(tensor) * bits // 8


def _tensors(structure: Any) -> list[Tensor]:
    return [leaf for leaf in keras.tree.flatten(structure) if isinstance(leaf, keras.KerasTensor)]


def _output_spec(operation: Any, args: Any, kwargs: Any) -> Any:
    outputs = operation.compute_output_spec(*args, **kwargs)
    if all(None not in tensor.shape for tensor in _tensors(outputs)):
        return outputs
    # A layer that was built with an open length, as EinsumDense in attention, says so for ever; its call knows better.
    return keras.Operation.compute_output_spec(operation, *args, **kwargs)
