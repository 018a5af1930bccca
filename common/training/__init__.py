"""What surrounds a training loop: learning-rate schedules, checkpoints, data-parallel gradients."""

from common.training.checkpoint import load_checkpoint, save_checkpoint
from common.training.data_parallel import DataParallel
from common.training.schedules import cosine, step_decay

__all__ = ["DataParallel", "cosine", "load_checkpoint", "save_checkpoint", "step_decay"]
