"""Training of one fold: sampling, augmentation, loss, loop, checkpoints, and the cache of trained folds."""
