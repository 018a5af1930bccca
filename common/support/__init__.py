"""What every package may import: argument checks, errors, files, the state of random numbers."""
