"""What the risk engine reads: a book of positions, and a history of prices."""
