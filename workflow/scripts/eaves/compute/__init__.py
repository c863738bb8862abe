"""Devices and precision, locks on GPUs, and training in several processes."""
