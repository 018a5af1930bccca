"""The handwritten digits of MNIST: fetched, verified and loaded as NumPy arrays.

``from dataset.mnist import load_mnist`` is all that most programs need; the README in this folder
tells where the digits come from.
"""
