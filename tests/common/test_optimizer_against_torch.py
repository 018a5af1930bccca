import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.optimizer import SGD, AdaGrad, Adam, AdamW, Momentum, Nesterov, RMSprop

torch = pytest.importorskip("torch")

STEPS = 100


class Problem:
    """Logistic regression with 3 classes that aren't exclusive, and inputs of unlike sizes."""

    def __init__(self, dtype):
        rng = np.random.default_rng(0)
        x = rng.normal(size=(40, 5)) * [0.3, 0.5, 1, 1.5, 2]
        self.x = x.astype(dtype)
        self.t = (x @ rng.normal(size=(5, 3)) + 2 * rng.normal(size=(40, 3)) > 0).astype(dtype)
        self.start = {
            "W": rng.normal(size=(5, 3)).astype(dtype),
            "b": np.full(3, 0.5, dtype),
            "scale": np.array(1.5, dtype),
        }

    def gradient(self, params):
        z = self.x @ params["W"] + params["b"]
        error = (0.5 + 0.5 * np.tanh(0.5 * params["scale"] * z) - self.t) / len(z)
        return {
            "W": params["scale"] * self.x.T @ error,
            "b": params["scale"] * error.sum(axis=0),
            "scale": np.asarray((z * error).sum() + params["scale"] / 2),
        }


def our_path(optimizer, problem, factors):
    """Return the parameters after each step; the learning rate is multiplied by the factors."""
    params, path, lr = {key: p.copy() for key, p in problem.start.items()}, [], optimizer.lr
    for factor in factors:
        optimizer.lr = factor * lr
        optimizer.update(params, problem.gradient(params))
        path.append({key: p.copy() for key, p in params.items()})
    return path


def path_of_torch(make, problem, factors):
    tensors, path = {key: torch.tensor(p) for key, p in problem.start.items()}, []
    optimizer = make(list(tensors.values()))
    group = optimizer.param_groups[0]
    lr = group["lr"]
    for factor in factors:
        group["lr"] = factor * lr
        params = {key: tensor.numpy().copy() for key, tensor in tensors.items()}
        for key, g in problem.gradient(params).items():
            tensors[key].grad = torch.tensor(g)
        optimizer.step()
        path.append({key: tensor.numpy().copy() for key, tensor in tensors.items()})
    return path


def difference(ours, theirs):
    """Return the largest difference on the way, relative to parameters of about 1."""
    return max(
        np.max(np.abs(our[key] - their[key]) / np.maximum(1, np.abs(their[key])))
        for our, their in zip(ours, theirs, strict=True)
        for key in our
    )


CONSTANT = [1.0] * STEPS
HALVED_TWICE = [1.0] * 30 + [0.5] * 30 + [0.25] * 40
ZIGZAG = [1.0 if step % 7 < 3 else 0.1 for step in range(STEPS)]

PAIRS = {
    "SGD": (lambda: SGD(0.1), lambda p: torch.optim.SGD(p, lr=0.1)),
    "Momentum": (
        lambda: Momentum(0.1, 0.8, pytorch=True),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.8),
    ),
    "Nesterov": (
        lambda: Nesterov(0.1, 0.8, pytorch=True),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.8, nesterov=True),
    ),
    "AdaGrad": (
        lambda: AdaGrad(0.1, epsilon=1e-10),
        lambda p: torch.optim.Adagrad(p, lr=0.1),
    ),
    "AdaGrad-large-epsilon": (
        lambda: AdaGrad(0.1, epsilon=0.1),
        lambda p: torch.optim.Adagrad(p, lr=0.1, eps=0.1),
    ),
    "RMSprop": (
        lambda: RMSprop(0.01, epsilon=1e-8),
        lambda p: torch.optim.RMSprop(p, lr=0.01),
    ),
    "RMSprop-other-options": (
        lambda: RMSprop(0.02, 0.9, epsilon=0.1),
        lambda p: torch.optim.RMSprop(p, lr=0.02, alpha=0.9, eps=0.1),
    ),
    "Adam": (
        lambda: Adam(0.1, epsilon=1e-8, pytorch=True),
        lambda p: torch.optim.Adam(p, lr=0.1),
    ),
    "Adam-other-options": (
        lambda: Adam(0.05, 0.8, 0.95, epsilon=0.01, pytorch=True),
        lambda p: torch.optim.Adam(p, lr=0.05, betas=(0.8, 0.95), eps=0.01),
    ),
    "AdamW": (lambda: AdamW(), lambda p: torch.optim.AdamW(p)),
    "AdamW-other-options": (
        lambda: AdamW(0.05, 0.8, 0.95, 0.3, epsilon=0.01),
        lambda p: torch.optim.AdamW(p, lr=0.05, betas=(0.8, 0.95), eps=0.01, weight_decay=0.3),
    ),
}
EACH_PAIR = pytest.mark.parametrize(("ours", "theirs"), PAIRS.values(), ids=PAIRS)


def test_the_problem_is_one_on_which_wrong_steps_show():
    problem = Problem(np.float64)
    path = our_path(SGD(0.1), problem, CONSTANT)
    assert min(np.abs(path[-1][key] - p).min() for key, p in problem.start.items()) > 1e-4
    assert difference(path, our_path(SGD(0.1), problem, HALVED_TWICE)) > 1e-2
    assert difference(path, our_path(SGD(0.101), problem, CONSTANT)) > 1e-4


def test_the_gradient_of_the_problem_is_that_of_autograd():
    problem = Problem(np.float64)
    tensors = {key: torch.tensor(p, requires_grad=True) for key, p in problem.start.items()}
    z = tensors["scale"] * (torch.tensor(problem.x) @ tensors["W"] + tensors["b"])
    loss = torch.nn.functional.binary_cross_entropy_with_logits(z, torch.tensor(problem.t))
    # the mean over examples of the sum over classes, and ¼ scale²
    (3 * loss + tensors["scale"] ** 2 / 4).backward()
    for key, g in problem.gradient(problem.start).items():
        np.testing.assert_allclose(g, tensors[key].grad.numpy(), rtol=1e-12, atol=1e-14)


@EACH_PAIR
@pytest.mark.parametrize(
    "lrs", [CONSTANT, HALVED_TWICE, ZIGZAG], ids=["constant", "halved", "zigzag"]
)
def test_each_takes_the_steps_of_torch(ours, theirs, lrs):
    problem = Problem(np.float64)
    assert difference(our_path(ours(), problem, lrs), path_of_torch(theirs, problem, lrs)) < 1e-13


@EACH_PAIR
def test_each_takes_the_steps_of_torch_in_float32(ours, theirs):
    problem = Problem(np.float32)
    path = our_path(ours(), problem, HALVED_TWICE)
    assert {p.dtype for p in path[-1].values()} == {np.dtype(np.float32)}
    assert difference(path, path_of_torch(theirs, problem, HALVED_TWICE)) < 1e-5


@pytest.mark.parametrize("optimizer", [Momentum, Nesterov])
def test_the_books_velocity_is_that_of_torch_until_the_learning_rate_changes(optimizer):
    problem = Problem(np.float64)

    def theirs(params):
        nesterov = optimizer is Nesterov
        return torch.optim.SGD(params, lr=0.2, momentum=0.9, nesterov=nesterov)

    constant = our_path(optimizer(0.2), problem, CONSTANT)
    assert difference(constant, path_of_torch(theirs, problem, CONSTANT)) < 1e-13
    changed = our_path(optimizer(0.2), problem, HALVED_TWICE)
    expected = path_of_torch(theirs, problem, HALVED_TWICE)
    assert difference(changed[:30], expected[:30]) < 1e-13
    assert difference(changed[30:31], expected[30:31]) > 1e-3


def test_a_large_epsilon_shows_that_adam_has_two_forms():
    problem = Problem(np.float64)
    expected = path_of_torch(
        lambda params: torch.optim.Adam(params, lr=0.1, eps=1e-3), problem, CONSTANT
    )
    book = our_path(Adam(0.1, epsilon=1e-3), problem, CONSTANT)
    pytorch = our_path(Adam(0.1, epsilon=1e-3, pytorch=True), problem, CONSTANT)
    assert difference(pytorch, expected) < 1e-13
    assert difference(book, expected) > 1e-4


@pytest.mark.parametrize(
    ("optimizer", "kind"),
    [(AdaGrad, "Adagrad"), (RMSprop, "RMSprop"), (Adam, "Adam")],
)
def test_the_books_epsilon_is_close_to_torchs_own(optimizer, kind):
    problem = Problem(np.float64)
    expected = path_of_torch(
        lambda params: getattr(torch.optim, kind)(params, lr=0.01), problem, CONSTANT
    )
    assert 0 < difference(our_path(optimizer(0.01), problem, CONSTANT), expected) < 1e-3


def test_the_decay_of_adamw_is_not_that_of_adam():
    """torch.optim.Adam(weight_decay=) adds λ p to the gradient, which Adam then rescales."""
    problem = Problem(np.float64)
    coupled = path_of_torch(
        lambda params: torch.optim.Adam(params, lr=0.1, weight_decay=0.3), problem, CONSTANT
    )
    assert difference(our_path(AdamW(0.1, weight_decay=0.3), problem, CONSTANT), coupled) > 0.1


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(["Momentum", "Nesterov", "AdaGrad", "RMSprop", "Adam", "AdamW"]),
    lr=st.floats(1e-4, 1),
    share=st.floats(0.01, 0.99),
    other_share=st.floats(0.01, 0.99),
    epsilon=st.floats(1e-6, 1),
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_options_and_any_gradients(name, lr, share, other_share, epsilon, scale, seed):
    ours, theirs = {
        "Momentum": (
            Momentum(lr, share, pytorch=True),
            lambda p: torch.optim.SGD(p, lr=lr, momentum=share),
        ),
        "Nesterov": (
            Nesterov(lr, share, pytorch=True),
            lambda p: torch.optim.SGD(p, lr=lr, momentum=share, nesterov=True),
        ),
        "AdaGrad": (
            AdaGrad(lr, epsilon=epsilon),
            lambda p: torch.optim.Adagrad(p, lr=lr, eps=epsilon),
        ),
        "RMSprop": (
            RMSprop(lr, share, epsilon=epsilon),
            lambda p: torch.optim.RMSprop(p, lr=lr, alpha=share, eps=epsilon),
        ),
        "Adam": (
            Adam(lr, share, other_share, epsilon=epsilon, pytorch=True),
            lambda p: torch.optim.Adam(p, lr=lr, betas=(share, other_share), eps=epsilon),
        ),
        "AdamW": (
            AdamW(lr, share, other_share, 0.4, epsilon=epsilon),
            lambda p: torch.optim.AdamW(
                p, lr=lr, betas=(share, other_share), eps=epsilon, weight_decay=0.4
            ),
        ),
    }[name]
    rng = np.random.default_rng(seed)
    params = {"W": rng.normal(size=(2, 3)), "b": np.array(1.0)}
    tensors = {key: torch.tensor(p) for key, p in params.items()}
    optimizer = theirs(list(tensors.values()))
    largest = 1.0
    for _ in range(10):
        grads = {key: scale * rng.normal(size=p.shape) for key, p in params.items()}
        ours.update(params, grads)
        for key, g in grads.items():
            tensors[key].grad = torch.tensor(g)
        optimizer.step()
        largest = max(largest, *(float(tensor.abs().max()) for tensor in tensors.values()))
    for key, p in params.items():
        np.testing.assert_allclose(p, tensors[key].numpy(), rtol=0, atol=1e-10 * largest)
