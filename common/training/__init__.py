"""What surrounds a training loop: callbacks, schedules, checkpoints, data-parallel gradients."""

from common.training.callbacks import (
    BestParameters,
    Checkpoint,
    EarlyStopping,
    Evaluation,
    LearningRate,
    Progress,
    Table,
)
from common.training.checkpoint import load_checkpoint, save_checkpoint
from common.training.data_parallel import DataParallel
from common.training.loop import Callback, Training
from common.training.schedules import cosine, step_decay

__all__ = [
    "BestParameters",
    "Callback",
    "Checkpoint",
    "DataParallel",
    "EarlyStopping",
    "Evaluation",
    "LearningRate",
    "Progress",
    "Table",
    "Training",
    "cosine",
    "load_checkpoint",
    "save_checkpoint",
    "step_decay",
]
