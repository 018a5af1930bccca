"""Chapter 4: numerical derivatives, gradient descent, and a network trained by them."""
