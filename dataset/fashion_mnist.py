"""Load Fashion-MNIST: 70,000 images of clothes, a harder data set in the format of MNIST.

>>> from dataset.fashion_mnist import CLASS_NAMES
>>> CLASS_NAMES[9]
'ankle boot'
"""

from dataset.files import FASHION_MNIST, Split, prepare, read_full

# fmt: off
CLASS_NAMES = (
    "T-shirt/top", "trouser", "pullover", "dress", "coat",
    "sandal", "shirt", "sneaker", "bag", "ankle boot",
)
# fmt: on


def load_fashion_mnist(
    normalize: bool = True,
    flatten: bool = True,
    one_hot_label: bool = False,
    *,
    source: str = "full",
) -> tuple[Split, Split]:
    """Load the training and test images of Fashion-MNIST.

    Parameters
    ----------
    normalize : bool
        Give pixels as float32 from 0 (background) to 1; else as uint8 from 0 to 255.
    flatten : bool
        Give each image as a row of 784 pixels; else as ``(1, 28, 28)``: channel, row, column.
    one_hot_label : bool
        Give each label as a row of ten numbers, 1 at the place of the class and 0 elsewhere; else
        as the number of the class. `CLASS_NAMES` has their names.
    source : {"full"}
        60,000 + 10,000 images from the cache folder (the environment variable ``FASHION_MNIST_DIR``
        names it), which is filled from the mirrors on first use (31 MB). There is no sample.

    Returns
    -------
    (x_train, t_train), (x_test, t_test) : tuple of tuples of ndarray
        Images ``(N, 784)`` or ``(N, 1, 28, 28)``; labels int64 ``(N,)`` or float32 ``(N, 10)``. All
        arrays are new and may be written to.

    Raises
    ------
    ValueError
        If `source` is not ``"full"``.
    DatasetError
        If the files can't be had; the message says what was tried and what to do.

    References
    ----------
    H. Xiao, K. Rasul, R. Vollgraf: Fashion-MNIST, arXiv:1708.07747 (MIT licence).
    """
    if source != "full":
        raise ValueError(f"source must be 'full' (there is no sample), got {source!r}")
    return prepare(read_full(FASHION_MNIST), normalize, flatten, one_hot_label)
