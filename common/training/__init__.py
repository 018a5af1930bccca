"""What surrounds a training loop: learning-rate schedules and checkpoints."""

from common.training.checkpoint import load_checkpoint, save_checkpoint
from common.training.schedules import cosine, step_decay

__all__ = ["cosine", "load_checkpoint", "save_checkpoint", "step_decay"]
