"""What moves of prices cost the fund: paths, the cascade of liquidations in each, the loss beyond margins."""
