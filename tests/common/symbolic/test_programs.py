"""Small programs in the style of the DeepLearningTutorials, with only their imports changed."""

import copy
import inspect
import itertools
import linecache
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import common.symbolic.tensor as T
from common import symbolic as theano
from common.symbolic import Function
from common.symbolic.elementwise import Elementwise
from common.symbolic.tensor.shared_randomstreams import RandomStreams

equal = np.testing.assert_array_equal
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 5))
LABELS = (X[:, 0] + X[:, 1] > 0).astype("int32")


class LogisticRegression:
    def __init__(self, input, n_in, n_out):
        floatX = theano.config.floatX
        self.W = theano.shared(np.zeros((n_in, n_out), floatX), name="W", borrow=True)
        self.b = theano.shared(np.zeros((n_out,), floatX), name="b", borrow=True)
        self.params, self.input = [self.W, self.b], input
        self.p_y_given_x = T.nnet.softmax(T.dot(input, self.W) + self.b)
        self.y_pred = T.argmax(self.p_y_given_x, axis=1)

    def negative_log_likelihood(self, y):
        return -T.mean(T.log(self.p_y_given_x)[T.arange(y.shape[0]), y])

    def errors(self, y):
        if y.ndim != self.y_pred.ndim:
            raise TypeError("y should have the shape of y_pred", ("y", y.type))
        if y.dtype.startswith("int"):
            return T.mean(T.neq(self.y_pred, y))
        raise NotImplementedError


class HiddenLayer:
    def __init__(self, input, n_in, n_out, W=None, activation=T.tanh):
        if not W:
            W = theano.shared(RNG.normal(size=(n_in, n_out)) / np.sqrt(n_in), name="W")
        self.W, self.b = W, theano.shared(np.zeros(n_out), name="b")
        self.output = activation(T.dot(input, self.W) + self.b)
        self.params = [self.W, self.b]


def descend(cost, params, rate):
    grads = T.grad(cost=cost, wrt=params)
    return [(p, p - rate * g) for p, g in zip(params, grads, strict=True)]


def trained(cost, params, rate, inputs, data, steps):
    """Return the losses of some steps of gradient descent."""
    train = theano.function(inputs, cost, updates=descend(cost, params, rate))
    return [float(train(*data)) for _ in range(steps)]


@pytest.mark.parametrize("floatX", ["float64", "float32"])
def test_logistic_regression_with_a_pickled_best_model(floatX):
    theano.config.floatX = floatX
    index, x, y = T.lscalar(), T.matrix("x"), T.ivector("y")
    classifier = LogisticRegression(x, 5, 2)
    cost = classifier.negative_log_likelihood(y)
    data_x, data_y = theano.shared(X.astype(floatX), borrow=True), theano.shared(LABELS * 1.0)
    part = slice(index * 20, (index + 1) * 20)
    givens = {x: data_x[part], y: T.cast(data_y, "int32")[part]}
    updates = descend(cost, classifier.params, 0.5)
    train = theano.function(inputs=[index], outputs=cost, updates=updates, givens=givens)
    test = theano.function([index], classifier.errors(y), givens=givens, mode="FAST_RUN")
    first = train(0)
    for epoch in range(60):
        last = train(epoch % 3)
    assert first.dtype == classifier.W.get_value().dtype == floatX
    assert last < 0.5 * first
    assert np.mean([test(i) for i in range(3)]) < 0.1

    best = pickle.loads(pickle.dumps(classifier))
    predict = theano.function(inputs=[best.input], outputs=best.y_pred)
    assert np.mean(predict(X.astype(floatX)) != LABELS) < 0.1
    best.W.set_value(np.zeros_like(best.W.get_value()))  # a copy
    assert classifier.W.get_value().any()


def test_stacked_denoising_autoencoders_trained_on_with_regularization_and_dropout():
    x, y, level = T.matrix("x"), T.ivector("y"), T.scalar("corruption")
    streams, data = RandomStreams(123), 1 / (1 + np.exp(-X))
    params, below = [], x
    for n_in, n_out in ((5, 6), (6, 4)):
        layer = HiddenLayer(below, n_in, n_out, activation=T.nnet.sigmoid)
        corrupted = streams.binomial(size=below.shape, n=1, p=1 - level, dtype="float64") * below
        code = T.nnet.sigmoid(T.dot(corrupted, layer.W) + layer.b)
        back = theano.shared(np.zeros(n_in), name="b_prime")
        z = T.nnet.sigmoid(T.dot(code, layer.W.T) + back)
        cost = T.mean(-T.sum(below * T.log(z) + (1 - below) * T.log(1 - z), axis=1))
        inputs = [x, theano.In(level, value=0.3)]
        losses = trained(cost, [*layer.params, back], 0.1, inputs, [data], steps=60)
        assert np.mean(losses[-5:]) < losses[0]
        params += layer.params
        below = layer.output
    mask = streams.binomial(size=below.shape, n=1, p=0.9, dtype=theano.config.floatX)
    top = LogisticRegression(below * mask / 0.9, 4, 2)
    L1, L2 = abs(layer.W).sum(), (layer.W**2).sum() + (top.W**2).sum()
    cost = top.negative_log_likelihood(y) + 1e-3 * L2 + 1e-4 * L1
    losses = trained(cost, params + top.params, 3.0, [x, y], [data, LABELS], steps=300)
    assert np.mean(losses[-20:]) < 0.9 * losses[0]
    assert len(set(losses)) == len(losses)


# Random streams


def test_streams_are_seeded_advance_and_can_begin_anew_or_stand_still():
    def made(seed, **options):
        streams = RandomStreams(seed)
        u, v = streams.uniform((3,)), streams.normal((3,))
        return streams, theano.function([], [u, v, u], **options)

    streams, f = made(1)
    draws = [[g() for _ in range(3)] for g in (f, made(1)[1], made(2)[1])]
    for seed in (7, 7, 8):
        streams.seed(seed)
        draws.append([f() for _ in range(3)])
    first, again, second, third, third_again, fourth = draws = np.array(draws)
    equal([first, third], [again, third_again])
    equal(draws[:, :, 0], draws[:, :, 2])  # one variable, one value in a call
    assert len(np.unique([first, second, third, fourth])) == 4 * 18
    for begun in (made(1), made(None)):  # a new seed leaves nothing of the one before
        begun[0].seed(2)
        equal([begun[1]() for _ in range(3)], second)
    still = made(1, no_default_updates=True)[1]
    equal(still(), still())
    assert len(streams.updates()) == 2
    for seed in ("7", -1, 1.5):
        with pytest.raises(TypeError, match="seed"):
            streams.seed(seed)


def test_every_stream_draws_from_its_distribution():
    streams, n = RandomStreams(5), 20000
    p = np.array([0.2, 0.3, 0.5])
    third = np.sqrt(2 / 3)
    draws = [
        (streams.uniform((n,), -1.0, 1.0), 0, 1 / np.sqrt(3)),
        (streams.normal((n,), 2.0, 3.0), 2, 3),
        (streams.normal(avg=T.constant(np.full(n, 2.0)), std=3.0), 2, 3),
        (streams.binomial((n,), 1, 0.25), 0.25, np.sqrt(3) / 4),
        (streams.random_integers((n,), 1, 3), 2, third),
        (streams.choice((n,), np.array([1, 2, 3])), 2, third),
        (streams.choice((n,), 3, p=p), 1.3, np.sqrt(0.61)),
        (streams.multinomial((n,), 1, p)[:, 2], 0.5, 0.5),
        (streams.multinomial(n=2, pvals=np.tile(np.float32(p), (n, 1)))[:, 2], 1, np.sqrt(0.5)),
        (streams.shuffle_row_elements(np.arange(9.0).reshape(3, 3)), 4, np.sqrt(60) / 3),
    ]
    for x, mean, std in draws:
        value = x.eval()
        assert value.dtype == x.dtype
        np.testing.assert_allclose([value.mean(), value.std()], [mean, std], atol=0.05)
    for order in (streams.permutation((4, 2), 5), streams.permutation(n=5)):
        equal(np.sort(order.eval()), np.broadcast_to(np.arange(5), order.eval().shape))
    assert len({tuple(row) for row in streams.permutation((50,), 5).eval()}) > 30
    x, rows = T.dmatrix("x"), np.arange(60.0).reshape(3, 20)
    for y, value in ((x, rows), (x[0], rows[0])):
        shuffled = streams.shuffle_row_elements(y)
        equal(np.sort(shuffled.eval({x: rows})), value)
        assert (shuffled.eval({x: rows}) != value).any()
        equal(T.grad((shuffled**2).sum(), x).eval({x: rows}).sum(1) > 0, [True, *[y is x] * 2])
    tenths = np.float32([0.1] * 10 + [0])  # which are more than 1
    assert streams.multinomial(n=7, pvals=tenths).eval().sum() == 7
    without = streams.choice((5,), 5, replace=False)
    assert sorted(without.eval()) == [0, 1, 2, 3, 4]


def test_default_updates_follow_givens_and_other_default_updates():
    x = T.lscalar("x")
    steps, total = theano.shared(0, "steps"), theano.shared(0, "total")
    steps.default_update = steps + x
    total.default_update = total + steps
    theano.function([], total, givens={x: 3})()
    theano.function([], total, givens={x: 3}, no_default_updates=[steps])()
    assert (steps.get_value(), total.get_value()) == (3, 3)
    theano.function([], total, updates={total: total + 10}, givens={x: 3})()
    assert (steps.get_value(), total.get_value()) == (3, 13)


# Copies


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_keep_what_is_shared_between_them(copied):
    x, r, w, c = T.dscalar("x"), T.drow("r"), theano.shared(2.0, "w"), T.constant(5.0)
    x.tag.note = "mine"
    y = x * w + c
    x2, r2, w2, y2, z2 = copied([x, r, w, y, T.exp(y)])
    w2.set_value(3.0)
    assert theano.function([x2], [y2, z2])(1.0) == [8, np.exp(8)]
    assert y.eval({x: 1.0}) == 7
    assert x2.tag.note == "mine"
    assert x2.serial > y.serial  # it was made later
    assert (r2.name, r2.broadcastable, r2.made_at) == ("r", (True, False), r.made_at)
    u = RandomStreams(1).uniform((2,))
    equal(theano.function([], copied(u))(), theano.function([], u)())
    count = theano.shared(0)
    count.default_update = count + 1
    count.tag.next, count.decay = count + 1, 0.5  # notes of the user's
    f = theano.function([], count)
    f()
    g, count2, z2 = copied([f, count, T.exp(count)])
    theano.function([], z2)()
    assert [int(g()), int(g()), int(f())] == [2, 3, 1]
    assert (count.get_value(), count2.get_value(), count2.decay) == (2, 4, 0.5)
    assert count2.tag.next.eval() == 5


def test_deep_graphs_are_copied_and_an_operation_of_ones_own_says_what_to_save():
    x = T.dscalar("x")
    y = x
    for _ in range(5_000):
        y = y + 1
    x2, y2 = pickle.loads(pickle.dumps((x, y)))
    assert theano.function([x2], y2)(0.0) == 5_000
    copy.deepcopy(y)
    own = Elementwise("own", "-{0}", None, lambda g, y, x: -g)
    with pytest.raises(TypeError, match="save the values of the shared variables"):
        pickle.dumps(own(x))


# Threads and interruptions


def in_threads(n, work):
    """Return what `work` returns in each of `n` threads, which take turns every microsecond."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(n) as pool:
            return [future.result() for future in [pool.submit(work) for _ in range(n)]]
    finally:
        sys.setswitchinterval(before)


def test_functions_are_right_in_several_threads_and_see_whole_updates():
    a, b, x = theano.shared(np.zeros(50)), theano.shared(np.zeros(50)), T.dvector("x")
    step = theano.function([], updates={a: a + 1, b: b + 1})
    leap = theano.function([], a, updates={a: a + 2, b: b + 2})
    both = theano.function([x], [x * 2, (a - b).sum()])

    def work():
        for k in range(300):
            step()
            leap()
            doubled, difference = both(np.full(50, float(k)))
            equal(doubled, np.full(50, 2 * k))
            assert difference == 0

    in_threads(6, work)
    equal(a.get_value(), np.full(50, 6 * 300 * 3))  # none is lost


def test_interruption_leaves_all_updates_done_or_none():
    shareds = [theano.shared(np.zeros(3)) for _ in range(20)]
    step = theano.function([], updates=[(s, s + 1) for s in shareds])
    lock, interrupted = Function._updating, 0

    def interrupt(frame, event, argument):
        # Python ends a with block by going back to its first line; no signal comes there.
        line = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
        if next(events) >= 0 and not line.startswith("with "):
            raise KeyboardInterrupt
        return interrupt

    for first in range(1, 400, 3):
        events = itertools.count(-first)
        sys.settrace(interrupt)
        try:
            step()
        except KeyboardInterrupt:
            interrupted += 1
        finally:
            sys.settrace(None)
        assert len({float(s.get_value()[0]) for s in shareds}) == 1
        assert in_threads(1, lambda: lock.acquire(timeout=10) and not lock.release()) == [True]
    assert interrupted > 10


# Names


@pytest.mark.parametrize(
    ("module", "name"),
    [
        *((theano, "scan"), (theano, "Op"), (T, "slinalg"), (T.nnet, "conv2d"), (T, "gammaln")),
        *((T, "erf"), (T, "Rop"), (theano.gradient, "Lop"), (theano.gradient, "verify_grad")),
        *((T.signal, "pool"), (theano.compile, "DebugMode"), (theano.printing, "pydotprint")),
    ],
)
def test_what_is_not_there_says_so(module, name):
    with pytest.raises(NotImplementedError, match=f"{name} isn't part of this small Theano: .+"):
        getattr(module, name)
    with pytest.raises(AttributeError, match=f"{module.__name__}.*sketch"):
        _ = module.sketch


def test_names_of_T_are_what_a_user_types():
    for module in (T, T.nnet):
        public = {name: v for name, v in vars(module).items() if not name.startswith("_")}
        modules = {name for name, v in public.items() if inspect.ismodule(v)}
        assert modules <= {"nnet", "shared_randomstreams", "signal"}
        assert not public.keys() & {"expand", "Sum", "as_axes", "sum_to", "Input", "checked_dtype"}


def test_a_plain_variable_is_true_and_a_condition_is_not_known():
    a, b = T.scalars("ab")
    assert T.matrix()
    assert T.tensor("bool")
    for condition in (a < b, (a < b) | (b < a), T.isnan(a), T.any(T.vector()), (a < b).copy()):
        with pytest.raises(TypeError, match="neither true nor false"):
            bool(condition)
