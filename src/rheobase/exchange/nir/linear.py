"""The stateless nodes of NIR as sparse matrices: what each does to a vector in C order.

A convolution is PyTorch's (a cross-correlation, zeros outside); shapes are worked out here, from the real input: those
of `nir` 1.0.8 take both sizes of a Conv2d's output from Ky, count a grouped convolution's channels wrongly, and keep
the size under padding "same" for any stride.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from rheobase.errors import InputError
from rheobase.exchange.nir.graph import Node

__all__ = ["MOST_SYNAPSES", "apply", "flattened"]

#: Entries of one matrix: 16 bytes each.
MOST_SYNAPSES: Final = 50_000_000
Shape = tuple[int, ...]


def apply(node: Node, name: str, shape: Shape) -> tuple[Any, np.ndarray | None, Shape]:
    """Return (matrix, bias, shape of the output) of a stateless node for an input of `shape`; matrix None: identity.

    Raises
    ------
    InputError
        If the node does not fit the shape.
    """
    match node.kind:
        case "Linear" | "Affine":
            return _dense(node, name, shape)
        case "Scale":
            scale = node.number("scale")
            if scale.shape not in ((), shape):
                raise _misfit(name, node, shape, scale.shape)
            return _diagonal(np.broadcast_to(scale, shape).ravel()), None, shape
        case "Conv1d" | "Conv2d":
            return _convolution(node, name, shape)
        case "SumPool2d" | "AvgPool2d":
            return _pool(node, name, shape)
        case "Flatten":
            return None, None, flattened(node, name, shape)
    return None, None, shape


def _misfit(name: str, node: Node, shape: Shape, wanted: Any) -> InputError:
    return InputError(f"node '{name}' ({node.kind}): what comes in has the shape {shape}, but it is made for {wanted}")


def _diagonal(values: np.ndarray) -> Any:
    from scipy import sparse

    return sparse.diags_array(values, format="csr")


def _dense(node: Node, name: str, shape: Shape) -> tuple[Any, np.ndarray | None, Shape]:
    from scipy import sparse

    if np.ndim(node.fields["weight"]) < 2:
        given = np.shape(node.fields["weight"])
        raise InputError(f"node '{name}' ({node.kind}): weight has the shape {given}; wanted (out, in)")
    _check_count(int(np.size(node.fields["weight"])), name, node)
    weight = node.number("weight")
    *batch, n_out, n_in = weight.shape
    if shape != (*batch, n_in):
        raise _misfit(name, node, shape, (*batch, n_in))
    if batch:  # y[..., o] = sum over i of weight[..., o, i] x[..., i]
        matrix = sparse.block_diag(list(weight.reshape(-1, n_out, n_in)), format="csr")
    else:
        matrix = sparse.csr_array(weight)
    out = (*batch, n_out)
    if node.kind == "Linear":
        return matrix, None, out
    bias = node.number("bias")
    if bias.shape not in ((), (n_out,), out):
        raise InputError(f"node '{name}' (Affine): bias has the shape {bias.shape}, but weight gives {out}")
    return matrix, np.broadcast_to(bias, out).ravel(), out


def _sizes(node: Node, field: str, count: int, low: int, name: str) -> list[int]:
    value = np.asarray(node.fields[field])
    if value.dtype.kind not in "iuf" or value.size not in (1, count) or not np.all(value == np.floor(value)):
        raise InputError(f"node '{name}' ({node.kind}): {field} = {value!r:.60} must be {count} whole numbers")
    sizes = [int(x) for x in np.broadcast_to(value.ravel(), (count,))]
    if min(sizes) < low or max(sizes) > 1 << 20:
        raise InputError(f"node '{name}' ({node.kind}): {field} = {sizes} must be {low} or more")
    return sizes


def _padding(node: Node, name: str, kernel: list[int], dilation: list[int]) -> list[tuple[int, int]]:
    given: Any = node.fields["padding"]
    if isinstance(given, np.ndarray) and given.dtype.kind in "SUO" and given.ndim == 0:
        given = given.item()
    if isinstance(given, bytes):
        given = given.decode(errors="replace")
    if isinstance(given, str):
        if given not in ("same", "valid"):
            raise InputError(f"node '{name}' ({node.kind}): padding = {given!r:.40}; it is a number, 'same' or 'valid'")
        total = [d * (k - 1) if given == "same" else 0 for d, k in zip(dilation, kernel, strict=True)]
        return [(t // 2, t - t // 2) for t in total]
    return [(p, p) for p in _sizes(node, "padding", len(kernel), 0, name)]


def _places(size: int, kernel: int, stride: int, pad: tuple[int, int], dilation: int) -> int:
    """Return how many outputs there are along an axis."""
    return max((size + pad[0] + pad[1] - dilation * (kernel - 1) - 1) // stride + 1, 0)


def _windows(size: int, kernel: int, stride: int, pad: tuple[int, int], dilation: int) -> np.ndarray:
    """Return the input place of each output and kernel place, (n_out, kernel); outside: negative or >= size."""
    n_out = _places(size, kernel, stride, pad, dilation)
    return np.arange(n_out)[:, None] * stride - pad[0] + np.arange(kernel)[None, :] * dilation


def _convolution(node: Node, name: str, shape: Shape) -> tuple[Any, np.ndarray | None, Shape]:
    axes = 1 if node.kind == "Conv1d" else 2
    weight = node.number("weight")
    if weight.ndim != axes + 2 or 0 in weight.shape:
        raise InputError(f"node '{name}' ({node.kind}): weight has the shape {weight.shape}; wanted {axes + 2} axes")
    n_out, per_group, *kernel = weight.shape
    groups = _sizes(node, "groups", 1, 1, name)[0]
    n_in = per_group * groups
    if len(shape) != axes + 1 or shape[0] != n_in or n_out % groups:
        raise _misfit(name, node, shape, f"{n_in} channels of {axes} axes, in {groups} groups that give {n_out}")
    stride, dilation = _sizes(node, "stride", axes, 1, name), _sizes(node, "dilation", axes, 1, name)
    pads = _padding(node, name, kernel, dilation)
    if isinstance(node.fields["padding"], str) and node.fields["padding"] == "same" and max(stride) > 1:
        raise InputError(f"node '{name}' ({node.kind}): padding 'same' goes with a stride of 1, as in PyTorch")
    axes_of = [*zip(shape[1:], kernel, stride, pads, dilation, strict=True)]
    out = (n_out, *(_places(*x) for x in axes_of))
    if 0 in out:
        raise _misfit(name, node, shape, f"at least the kernel, {tuple(kernel)}")
    _check_count(math.prod(out) * per_group * math.prod(kernel), name, node)
    windows = [_windows(*x) for x in axes_of]
    bias = node.number("bias", 0.0)
    if bias.shape not in ((), (n_out,)):
        raise InputError(f"node '{name}' ({node.kind}): bias has the shape {bias.shape}, wanted ({n_out},)")
    shift = np.broadcast_to(bias, (n_out,)).repeat(math.prod(out[1:]))
    which = np.arange(n_out) // (n_out // groups)  # the group of each output channel
    channels = which[:, None] * per_group + np.arange(per_group)[None, :]
    return _gather(weight, channels, windows, shape, out), shift, out


def _pool(node: Node, name: str, shape: Shape) -> tuple[Any, np.ndarray | None, Shape]:
    kernel, stride = _sizes(node, "kernel_size", 2, 1, name), _sizes(node, "stride", 2, 1, name)
    pads = _padding(node, name, kernel, [1, 1])
    if len(shape) != 3:
        raise _misfit(name, node, shape, "(channels, height, width)")
    axes_of = [*zip(shape[1:], kernel, stride, pads, [1, 1], strict=True)]
    out = (shape[0], *(_places(*x) for x in axes_of))
    if 0 in out:
        raise _misfit(name, node, shape, f"at least the kernel, {tuple(kernel)}")
    _check_count(math.prod(out) * math.prod(kernel), name, node)
    windows = [_windows(*x) for x in axes_of]
    value = 1.0 if node.kind == "SumPool2d" else 1.0 / math.prod(kernel)
    weight = np.full((shape[0], 1, *kernel), value)
    return _gather(weight, np.arange(shape[0])[:, None], windows, shape, out), None, out


def _check_count(count: int, name: str, node: Node) -> None:
    if count > MOST_SYNAPSES:
        raise InputError(f"node '{name}' ({node.kind}) unrolls into {count} synapses; the limit is {MOST_SYNAPSES}")


def _gather(weight: np.ndarray, channels: np.ndarray, windows: list[np.ndarray], shape: Shape, out: Shape) -> Any:
    """Return the matrix of y[o, p] = sum over c, k of weight[o, c, k] x[channels[o, c], windows[p, k]]."""
    from scipy import sparse

    if len(windows) == 1:  # one axis is two, one of them of size 1
        windows = [np.zeros((1, 1), dtype=np.int64), windows[0]]
        weight, shape = weight[:, :, None, :], (shape[0], 1, shape[1])
    (y, x), (height, width) = windows, shape[1:]
    # axes: o, p_y, p_x, c, k_y, k_x
    full = (weight.shape[0], len(y), len(x), weight.shape[1], y.shape[1], x.shape[1])
    row_y, row_x = y[None, :, None, None, :, None], x[None, None, :, None, None, :]
    inside = (row_y >= 0) & (row_y < height) & (row_x >= 0) & (row_x < width)
    columns = (channels[:, None, None, :, None, None] * height + row_y) * width + row_x
    rows = np.arange(math.prod(full[:3])).reshape(*full[:3], 1, 1, 1)
    values = weight[:, None, None, :, :, :]
    keep = np.broadcast_to(inside, full) & (np.broadcast_to(values, full) != 0)
    picked = [np.broadcast_to(a, full)[keep] for a in (values, rows, columns)]
    size = (math.prod(out), math.prod(shape))
    return sparse.csr_array((picked[0], (picked[1], picked[2])), shape=size)


def flattened(node: Node, name: str, shape: Shape) -> Shape:
    """Return the shape after Flatten; its axes count from the first that is not the batch's."""
    start, end = (int(np.asarray(node.fields.get(k, d))) for k, d in (("start_dim", 1), ("end_dim", -1)))
    count = len(shape)
    if start >= count and count > 0 and start == 1:  # a vector is flat already
        return shape
    start, end = (x + count if x < 0 else x for x in (start, end))
    if not (0 <= start < count and start <= end < count):
        raise InputError(f"node '{name}' (Flatten): axes {start} to {end} of the shape {shape} cannot be joined")
    return (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])
