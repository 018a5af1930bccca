"""What backpropagation makes possible: the subjects of the book's chapters 6 to 8."""
