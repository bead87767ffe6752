"""Which operation of a network is affine, rectifies, pools by its maximum, or cannot be said with spikes.

All rests on one fact: the mean over time of an affine function is the function of the mean. So every affine operation
is carried out on each time step as it is; a rectifier becomes neurons; a maximum is taken of sums over time.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any, Final, final

from torch import nn

from rheobase.learn.conversion.quantise import QuantReLU

__all__ = [
    "AFFINE_FUNCTIONS",
    "AFFINE_METHODS",
    "AFFINE_MODULES",
    "DROPPED_FUNCTIONS",
    "DROPPED_MODULES",
    "MAX_FUNCTIONS",
    "MAX_MODULES",
    "ONE_SIGNAL",
    "TAIL",
    "Rectifier",
    "advise",
    "function_name",
    "read_rectifier",
]

AFFINE_MODULES: Final = (
    nn.Linear,
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
    nn.AvgPool1d,
    nn.AvgPool2d,
    nn.AvgPool3d,
    nn.AdaptiveAvgPool1d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveAvgPool3d,
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.Flatten,
    nn.Unflatten,
    nn.ZeroPad1d,
    nn.ZeroPad2d,
    nn.ZeroPad3d,
    nn.ConstantPad1d,
    nn.ConstantPad2d,
    nn.ConstantPad3d,
    nn.ReflectionPad1d,
    nn.ReflectionPad2d,
    nn.ReplicationPad1d,
    nn.ReplicationPad2d,
    nn.PixelShuffle,
    nn.PixelUnshuffle,
    nn.ChannelShuffle,
    nn.Upsample,
    nn.UpsamplingNearest2d,
    nn.UpsamplingBilinear2d,
)
DROPPED_MODULES: Final = (
    nn.Identity,
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
)
MAX_MODULES: Final = (
    nn.MaxPool1d,
    nn.MaxPool2d,
    nn.MaxPool3d,
    nn.AdaptiveMaxPool1d,
    nn.AdaptiveMaxPool2d,
    nn.AdaptiveMaxPool3d,
)

#: affine in any number of signals
AFFINE_FUNCTIONS: Final = frozenset(
    {"add", "iadd", "sub", "isub", "rsub", "neg", "cat", "concat", "concatenate", "stack", "getitem", "flatten"}
    | {"reshape", "permute", "transpose", "squeeze", "unsqueeze", "mean", "sum", "chunk", "split", "avg_pool1d"}
    | {"avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "pad"}
    | {"interpolate", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "unflatten", "movedim", "swapaxes"}
    | {"narrow", "select", "upsample", "roll", "flip", "clone"}
)
#: affine as long as only one of their arguments is a signal
ONE_SIGNAL: Final = frozenset(
    {"mul", "imul", "truediv", "itruediv", "div", "matmul", "mm", "bmm", "linear", "conv1d", "conv2d", "conv3d"}
    | {"conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "einsum", "multiply", "divide"}
)
AFFINE_METHODS: Final = (
    AFFINE_FUNCTIONS
    | {"view", "contiguous", "t", "expand", "detach", "float", "double", "to"}
    | {
        "add_",
        "sub_",
        "expand_as",
        "view_as",
        "reshape_as",
        "repeat",
        "unbind",
    }
)
DROPPED_FUNCTIONS: Final = frozenset({"dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout"})
MAX_FUNCTIONS: Final = frozenset(
    {f"{adaptive}max_pool{d}d" for adaptive in ("", "adaptive_") for d in (1, 2, 3)} | {"boolean_dispatch"}
)
#: what may stand behind the last neurons: it is taken of the mean output
TAIL: Final = frozenset({"softmax", "log_softmax", "logsoftmax", "softmax2d", "sigmoid", "argmax", "softmin"})

_TRAIN_RELU: Final = "spikes only count upwards; train with nn.ReLU (or learn.QuantReLU) in its place"
_NORM: Final = "it divides by a statistic of the signal itself; train with BatchNorm, which folds into the weights"
_PRODUCT: Final = "a product of two signals is no weighted sum of spikes; keep this part outside of what you convert"
_RECURRENT: Final = "it has a memory of its own; build it from learn.Layer(..., recurrent=True) and train that"
_ADVICE: Final = {
    **dict.fromkeys(["layernorm", "groupnorm", "instancenorm", "localresponsenorm", "rmsnorm", "normalize"], _NORM),
    **dict.fromkeys(["layer_norm", "group_norm", "instance_norm", "local_response_norm", "rms_norm"], _NORM),
    **dict.fromkeys(["gelu", "silu", "elu", "celu", "selu", "mish", "softplus", "tanh", "hardswish"], _TRAIN_RELU),
    **dict.fromkeys(
        ["leakyrelu", "leaky_relu", "prelu", "rrelu", "hardsigmoid", "tanhshrink", "softsign"], _TRAIN_RELU
    ),
    **dict.fromkeys(["hardtanh", "clamp", "abs", "sqrt", "exp", "log", "pow", "threshold"], _TRAIN_RELU),
    **dict.fromkeys(["multiheadattention", "scaled_dot_product_attention", "bilinear"], _PRODUCT),
    **dict.fromkeys(["transformerencoderlayer", "transformerencoder", "transformer"], _PRODUCT),
    **dict.fromkeys([*ONE_SIGNAL], _PRODUCT),
    **dict.fromkeys(["rnn", "lstm", "gru", "rnncell", "lstmcell", "grucell"], _RECURRENT),
    **dict.fromkeys(["embedding", "embeddingbag"], "its input are numbers of words; convert what follows it"),
    **dict.fromkeys(
        [*TAIL], "it may only stand behind the last ReLU, where it is taken of the mean output; " + _TRAIN_RELU
    ),
}


def advise(name: str) -> str:
    """Return what to do instead of an operation that cannot be converted."""
    key = name.lower().rstrip("0123456789d_") if name.lower() not in _ADVICE else name.lower()
    return _ADVICE.get(
        key, "it is neither affine nor a ReLU; replace it by layers that are, or convert the parts around it"
    )


def function_name(target: Any) -> str:
    """Return the plain name of a function that a graph calls: ``add`` for ``operator.iadd`` as for ``torch.add``."""
    if target in (operator.iadd, operator.isub, operator.imul, operator.itruediv):
        return {operator.iadd: "add", operator.isub: "sub", operator.imul: "mul", operator.itruediv: "truediv"}[target]
    return str(getattr(target, "__name__", target)).strip("_")


@final
@dataclass(frozen=True)
class Rectifier:
    """A ReLU as it was found: its cap (inf for none), and the trained levels and threshold of a `QuantReLU`."""

    cap: float = float("inf")
    quantised: QuantReLU | None = None


def read_rectifier(
    module: nn.Module | None, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Rectifier | None:
    """Return the rectifier that a module or a called function (with what follows its first argument) is, or None."""
    if isinstance(module, QuantReLU):
        return Rectifier(quantised=module)
    if isinstance(module, nn.ReLU6):
        return Rectifier(6.0)
    if isinstance(module, nn.ReLU):
        return Rectifier()
    if isinstance(module, nn.Hardtanh):
        return Rectifier(float(module.max_val)) if module.min_val == 0 and module.max_val > 0 else None
    if module is not None:
        return None
    low, high = _bounds(name, args, kwargs)
    if name in ("relu", "relu_"):
        return Rectifier()
    if name == "relu6":
        return Rectifier(6.0)
    if name in ("clamp", "clip", "clamp_min", "hardtanh", "clamp_") and low == 0 and high > 0:
        return Rectifier(high)
    return None


def _bounds(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[float | None, float]:
    """Return the lower and upper bound of clamp and hardtanh; None or inf for one that is not given as a number."""
    names = ("min_val", "max_val") if name == "hardtanh" else ("min", "max")
    standard: list[Any] = [-1.0, 1.0] if name == "hardtanh" else [None, None]
    given = [*args[:2], *standard[len(args) :]]
    low, high = (kwargs.get(n, g) for n, g in zip(names, given, strict=True))
    is_number = [isinstance(x, int | float) for x in (low, high)]
    return (float(low) if is_number[0] else None), (
        float(high) if is_number[1] else float("inf") if high is None else -1.0
    )
