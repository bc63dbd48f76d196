"""Training: the Trainer of transformers with one step overridden, its objectives and its callbacks."""
