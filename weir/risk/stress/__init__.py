"""Losses in named scenarios, and the smallest move that exhausts each layer."""
