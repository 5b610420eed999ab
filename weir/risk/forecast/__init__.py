"""What prices may do next: one model for each series, a copula between them, and a stablecoin's depeg."""
