"""What every network shares: functions, gradients, layers, optimizers, training."""
