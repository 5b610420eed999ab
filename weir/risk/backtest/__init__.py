"""Whether a model's forecasts have held on the prices of the past."""
