"""Figures of a loss distribution: VaR and ES, shares of accounts and layers, ruin and replenishment."""
