"""A seeded discrete-event network over the very `Node` the daemon runs, and no model of it."""
