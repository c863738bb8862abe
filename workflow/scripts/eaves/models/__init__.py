"""The network, its weights and inputs, and inference on whole tiles."""
