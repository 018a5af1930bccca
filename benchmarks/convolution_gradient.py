"""One gradient of the convolutional networks, beside PyTorch and a textbook's im2col.

Timed in turns in one process, on the same weights and digits, after a check that all agree:

- products: the matrix products alone that a gradient can't do without, on matrices that lie ready.
- ours: `loss_and_gradient` of `SimpleConvNet` or `DeepConvNet`.
- parallel: the same by `DataParallel`, with a worker per thread.
- textbook: the same layers, but im2col and col2im loop over the filter and fill one float64 array
  for the whole batch, and pooling is undone by col2im. (Always float64.)
- PyTorch: the same network in eager mode, if it is installed.

All but the workers, which have one each, use --threads threads per matrix product.

Medians in milliseconds, the ratio of each to parallel, and the most memory that NumPy's arrays take
during one gradient of ours.
"""

import math
import tracemalloc

import numpy as np

from benchmarks.timing import WARM_UP, describe_libraries, medians
from common.layers import Affine, Convolution, Dropout, Pooling, Relu, SoftmaxWithLoss
from common.networks import DeepConvNet, SimpleConvNet
from common.scripts.command_line import positive_int, run, script_parser
from common.support.threads import available_cores, limit_threads
from common.training import DataParallel
from dataset.mnist import load_mnist

NETWORKS = {"simple": SimpleConvNet, "deep": lambda **kw: DeepConvNet(dropout_ratio=0, **kw)}


def textbook_im2col(x, fh, fw, stride, pad):
    """Return the windows of `x` (N, C, H, W) as rows, always in float64."""
    n, c, h, w = x.shape
    out_h, out_w = (h + 2 * pad - fh) // stride + 1, (w + 2 * pad - fw) // stride + 1
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    columns = np.zeros((n, c, fh, fw, out_h, out_w))
    for i in range(fh):
        for j in range(fw):
            rows, cols = slice(i, i + stride * out_h, stride), slice(j, j + stride * out_w, stride)
            columns[:, :, i, j] = padded[:, :, rows, cols]
    return columns.transpose(0, 4, 5, 1, 2, 3).reshape(n * out_h * out_w, -1)


def textbook_col2im(rows, shape, fh, fw, stride, pad):
    """Add up the windows in `rows` into images of `shape`."""
    n, c, h, w = shape
    out_h, out_w = (h + 2 * pad - fh) // stride + 1, (w + 2 * pad - fw) // stride + 1
    columns = rows.reshape(n, out_h, out_w, c, fh, fw).transpose(0, 3, 4, 5, 1, 2)
    padded = np.zeros((n, c, h + 2 * pad + stride - 1, w + 2 * pad + stride - 1))
    for i in range(fh):
        for j in range(fw):
            at = np.s_[:, :, i : i + stride * out_h : stride, j : j + stride * out_w : stride]
            padded[at] += columns[:, :, i, j]
    return padded[:, :, pad : pad + h, pad : pad + w]


class TextbookConvolution:
    """A convolution as one matrix product for the whole batch."""

    def __init__(self, layer: Convolution):
        self.layer = layer

    def forward(self, x):
        """Return the convolution of `x`."""
        W, b, stride, pad = self.layer.W, self.layer.b, self.layer.stride, self.layer.pad
        filters, _, fh, fw = W.shape
        self.shape = x.shape
        self.columns = textbook_im2col(x, fh, fw, stride, pad)
        out = self.columns @ W.reshape(filters, -1).T + b
        out_h = (x.shape[2] + 2 * pad - fh) // stride + 1
        return out.reshape(len(x), out_h, -1, filters).transpose(0, 3, 1, 2)

    def backward(self, dout):
        """Return the gradient of the input."""
        W = self.layer.W
        rows = dout.transpose(0, 2, 3, 1).reshape(-1, len(W))
        self.db = rows.sum(axis=0)
        self.dW = (self.columns.T @ rows).T.reshape(W.shape)
        dcolumns = rows @ W.reshape(len(W), -1)
        return textbook_col2im(
            dcolumns, self.shape, *W.shape[2:], self.layer.stride, self.layer.pad
        )


class TextbookPooling:
    """Max pooling through im2col and col2im."""

    def __init__(self, layer: Pooling):
        self.size, self.stride = layer.pool_h, layer.stride

    def forward(self, x):
        """Return the largest value of each window."""
        n, c, h, _ = x.shape
        self.shape = x.shape
        rows = textbook_im2col(x, self.size, self.size, self.stride, 0).reshape(-1, self.size**2)
        self.largest = rows.argmax(axis=1)
        out_h = (h - self.size) // self.stride + 1
        return rows.max(axis=1).reshape(n, out_h, -1, c).transpose(0, 3, 1, 2)

    def backward(self, dout):
        """Return the gradient of the input."""
        dout = dout.transpose(0, 2, 3, 1)
        spread = np.zeros((dout.size, self.size**2))
        spread[np.arange(dout.size), self.largest] = dout.ravel()
        rows = spread.reshape(math.prod(dout.shape[:3]), -1)
        return textbook_col2im(rows, self.shape, self.size, self.size, self.stride, 0)


def textbook(network, x, t):
    """Return a function that computes loss and gradient with the textbook's layers."""
    twins = {Convolution: TextbookConvolution, Pooling: TextbookPooling}
    layers = [twins.get(type(layer), lambda same: same)(layer) for layer in network.layers.values()]
    last = SoftmaxWithLoss()

    def loss_and_gradient():
        out = x
        for layer in layers:
            out = layer.forward(out)
        loss = last.forward(out, t)
        dout = last.backward()
        for layer in reversed(layers):
            dout = layer.backward(dout)
        weighted = [layer for layer in layers if hasattr(layer, "dW")]
        return loss, [grad for layer in weighted for grad in (layer.dW, layer.db)]

    return loss_and_gradient


def pytorch(network, x, t, threads):
    """Return such a function for PyTorch, with the same weights, or None without PyTorch."""
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(threads)
    modules = []
    for layer in network.layers.values():
        match layer:
            case Convolution():
                filters, channels, *size = layer.W.shape
                module = torch.nn.Conv2d(channels, filters, size, layer.stride, layer.pad)
                module.weight.data, module.bias.data = map(torch.tensor, (layer.W, layer.b))
            case Affine():
                if not any(isinstance(m, torch.nn.Linear) for m in modules):
                    modules.append(torch.nn.Flatten())
                module = torch.nn.Linear(*layer.W.shape)
                module.weight.data, module.bias.data = map(torch.tensor, (layer.W.T, layer.b))
            case Relu():
                module = torch.nn.ReLU()
            case Pooling():
                module = torch.nn.MaxPool2d(layer.pool_h, layer.stride)
            case Dropout():
                module = torch.nn.Dropout(layer.dropout_ratio)
        modules.append(module)
    model = torch.nn.Sequential(*modules)
    x, t = torch.tensor(x), torch.tensor(t)

    def loss_and_gradient():
        model.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), t)
        loss.backward()
        return loss.item(), [p.grad.numpy() for p in model.parameters()]

    return loss_and_gradient


def products(network, batch_size):
    """Return a function that multiplies what a gradient multiplies, and nothing else."""
    pairs = []
    shape = network.input_shape
    for layer in network.layers.values():
        out = layer.forward(np.zeros((1, *shape), network.dtype))
        if isinstance(layer, Affine | Convolution):
            rows = batch_size * (out[0].size // len(layer.b))
            columns = layer.W.size // len(layer.b)
            rng = np.random.default_rng(0)
            x, W, dout = (
                rng.standard_normal(size).astype(network.dtype)
                for size in ((rows, columns), (columns, len(layer.b)), (rows, len(layer.b)))
            )
            pairs += [(x, W), (x.T, dout)] + ([(dout, W.T)] if layer.input_gradient else [])
        shape = out.shape[1:]

    def multiply():
        for a, b in pairs:
            a @ b

    return multiply


def check_agreement(ours, others, dtype):
    """Raise an AssertionError if not all give the same loss and gradient."""
    tolerance = 1e-10 if dtype == np.float64 else 1e-4
    loss, grads = ours
    for name, (other_loss, other_grads) in others.items():
        np.testing.assert_allclose(other_loss, loss, rtol=tolerance, err_msg=name)
        for a, b in zip(grads, other_grads, strict=True):
            b = b.T if a.shape != b.shape else b  # PyTorch has affine weights the other way round
            np.testing.assert_allclose(b, a, atol=tolerance * np.abs(a).max(), err_msg=name)


def measure(name, dtype, batch_size, repeats, threads):
    """Return the medians of all that can be had here, in seconds, and our peak memory in bytes."""
    (x, t), _ = load_mnist(flatten=False, source="sample")
    x, t = x[:batch_size].astype(dtype), t[:batch_size]
    network = NETWORKS[name](rng=np.random.default_rng(0), dtype=dtype)
    functions = {"textbook": textbook(network, x, t), "PyTorch": pytorch(network, x, t, threads)}
    functions = {kind: function for kind, function in functions.items() if function is not None}
    loss, grads = network.loss_and_gradient(x, t)
    others = {kind: function() for kind, function in functions.items()}
    check_agreement((loss, list(grads.values())), others, dtype)
    parallel = DataParallel(network, threads)
    loss, grads = parallel.loss_and_gradient(x, t)
    check_agreement((loss, list(grads.values())), others, dtype)
    functions["parallel"] = lambda: parallel.loss_and_gradient(x, t)
    functions["ours"] = lambda: network.loss_and_gradient(x, t)
    functions["products"] = products(network, batch_size)
    tracemalloc.start()
    functions["ours"]()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    result = medians(functions, repeats, in_a_row=5, warm_up=WARM_UP)
    parallel.close()
    return result, peak


def main(argv=None):
    """Run the benchmark with the arguments `argv`, by default those of the command line."""
    parser = script_parser(__doc__, threads=available_cores())
    parser.add_argument("--batch-size", type=positive_int, default=100, help="digits in the batch")
    parser.add_argument("--repeats", type=positive_int, default=20, help="calls of each")
    args = parser.parse_args(argv)

    limit_threads(args.threads)
    rows = [
        (name, dtype, *measure(name, dtype, args.batch_size, args.repeats, args.threads))
        for name in NETWORKS
        for dtype in (np.dtype(np.float64), np.dtype(np.float32))
    ]
    print(f"batch of {args.batch_size}, median of {args.repeats}")
    print(describe_libraries(), end="\n\n")
    kinds = ("products", "ours", "parallel", "PyTorch", "textbook")
    header = "".join(f"  {kind:>18}" for kind in kinds)
    print(f"{'network':<8} {'dtype':<8}{header}  {'memory':>8}")
    for name, dtype, m, peak in rows:
        cells = (
            f"{m[kind] * 1e3:>8.1f} ms ({m[kind] / m['parallel']:>5.2f})" if kind in m else "–"
            for kind in kinds
        )
        line = "".join(f"  {cell:>18}" for cell in cells)
        print(f"{name:<8} {dtype.name:<8}{line}  {peak / 2**20:>4.0f} MiB")


if __name__ == "__main__":
    run(main)
