"""Training of one fold: sampling, augmentation, loss, training loop, checkpoints and the cache of trained folds."""
