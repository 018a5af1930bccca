"""Chapter 5: backpropagation, by hand on a computational graph and with layers."""
