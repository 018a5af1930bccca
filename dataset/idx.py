"""IDX, the file format of MNIST: an array of bytes with a header that tells its shape.

========  ==============================================================
bytes     meaning
========  ==============================================================
0, 1      zero
2         the type of the numbers; 0x08 is an unsigned byte
3         the rank d, the number of axes
4 per d   the size of each axis, a big-endian unsigned 32-bit integer
the rest  the numbers in C order: the last axis varies fastest
========  ==============================================================

So ``train-images-idx3-ubyte`` starts with ``00 00 08 03``, 60000, 28, 28. The files are stored
gzipped. Source: "The MNIST database of handwritten digits", Y. LeCun, C. Cortes, C. J. C. Burges.
"""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from dataset.atomic import written_whole
from dataset.errors import DatasetError

UNSIGNED_BYTE = 0x08
# NumPy has no arrays of more axes.
MAX_RANK = 64
# Deflate never makes less than one byte of 1032 (https://zlib.net/zlib_tech.html).
MAX_COMPRESSION = 1032


def read_idx(path: str | Path) -> NDArray[np.uint8]:
    """Read a gzipped IDX file of unsigned bytes.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    ndarray of uint8
        A new, writable array of the shape that the header tells.

    Raises
    ------
    DatasetError
        If the file cannot be read, is not gzip, is damaged, has another header, or holds fewer or
        more bytes than its header promises.
    """
    path = Path(path)
    try:
        compressed_size = path.stat().st_size
        with gzip.open(path, "rb") as file:
            shape = _read_shape(file, path)
            size = math.prod(shape)
            # A header that lies must not make us reserve, or unpack, gigabytes.
            if size > MAX_COMPRESSION * compressed_size:
                raise _malformed(
                    path,
                    f"its header promises {size:,} bytes, "
                    f"more than a file of {compressed_size:,} bytes can hold",
                )
            payload = file.read(size)
            if len(payload) < size:
                raise _malformed(path, f"{size:,} bytes of data expected, {len(payload):,} found")
            # Reading on to the end is also what makes gzip compare its checksum.
            if file.read(1):
                raise _malformed(path, f"more data than the {size:,} bytes its header promises")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise _malformed(path, f"it is cut, altered or no gzip file ({error})") from error
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror or error}") from error
    return np.frombuffer(payload, dtype=np.uint8).reshape(shape).copy()


def _read_shape(file: BinaryIO, path: Path) -> tuple[int, ...]:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0":
        raise _malformed(path, f"it starts with {magic.hex(' ') or 'nothing'}, IDX with 00 00")
    kind, rank = magic[2:]
    if kind != UNSIGNED_BYTE:
        raise _malformed(path, f"type 0x08 (unsigned byte) expected, 0x{kind:02x} found")
    if not 1 <= rank <= MAX_RANK:
        raise _malformed(path, f"a rank from 1 to {MAX_RANK} expected, {rank} found")
    sizes = file.read(4 * rank)
    if len(sizes) < 4 * rank:
        raise _malformed(path, f"it ends within its header of {4 + 4 * rank} bytes")
    return struct.unpack(f">{rank}I", sizes)


def _malformed(path: Path, what: str) -> DatasetError:
    return DatasetError(
        f"{path} is not a sound gzipped IDX file: {what}; put the original in its place"
    )


def to_idx(array: NDArray[np.uint8]) -> bytes:
    """Return the IDX form of an array, not compressed.

    Parameters
    ----------
    array : ndarray of uint8
        Any shape of rank 1 to 64.

    Returns
    -------
    bytes
        Header and numbers.

    Raises
    ------
    TypeError
        If the array is not of dtype uint8.
    ValueError
        If its rank or the size of an axis does not fit the header.
    """
    if not isinstance(array, np.ndarray) or array.dtype != np.uint8:
        found = getattr(array, "dtype", type(array).__name__)
        raise TypeError(f"array must be an ndarray of uint8, got {found}; convert it first")
    if not 1 <= array.ndim <= MAX_RANK:
        raise ValueError(f"array must have a rank from 1 to {MAX_RANK}, got {array.ndim}")
    if max(array.shape) >= 2**32:
        raise ValueError(f"array must have axes shorter than 2**32, got shape {array.shape}")
    header = struct.pack(f">4B{array.ndim}I", 0, 0, UNSIGNED_BYTE, array.ndim, *array.shape)
    return header + array.tobytes()


def write_idx(path: str | Path, array: NDArray[np.uint8]) -> None:
    """Write an array as a gzipped IDX file.

    The same array gives the same file, byte for byte, wherever Python uses the same zlib: the
    header of the gzip file holds neither the time nor a file name.

    Parameters
    ----------
    path : str or Path
        The file, in a folder that exists. It is replaced in one step.
    array : ndarray of uint8
        Any shape of rank 1 to 64.

    Raises
    ------
    TypeError, ValueError
        See `to_idx`.
    OSError
        If the file cannot be written. What stood under the name before is still there.
    """
    content = to_idx(array)
    with (
        written_whole(Path(path)) as temporary,
        temporary.open("wb") as file,
        gzip.GzipFile("", "wb", compresslevel=9, fileobj=file, mtime=0) as packed,
    ):
        packed.write(content)
