"""Watching a deployment: what it says now (`watch`) and what its index remembers (`index`), as metrics for
Prometheus (`metrics`) and as a live page (`page`); what an operator's Prometheus and Grafana load is in
`files/`.
"""
