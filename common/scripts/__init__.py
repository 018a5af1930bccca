"""For scripts and notebooks only: command lines, plots, and what stands around a training run."""
