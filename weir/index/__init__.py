"""An index of everything that happened: events in a database, the state rebuilt from them, and queries."""
