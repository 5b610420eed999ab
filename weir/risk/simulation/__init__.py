"""What moves of prices cost the fund: paths, the cascade of liquidations in each, and the loss beyond all margins."""
