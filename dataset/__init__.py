"""MNIST and Fashion-MNIST: downloaded, verified and loaded as NumPy arrays.

``from dataset.mnist import load_mnist`` is all that most programs need; the README in this folder
says where the images come from.
"""
