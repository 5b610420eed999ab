"""Weir as the subject of a fuzz campaign: actors, actions, and the properties of SPECIFICATION.md."""
