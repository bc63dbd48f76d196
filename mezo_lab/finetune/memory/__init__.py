"""The peak memory of a training step: predicted from a configuration, measured, and as the paper reports it."""
