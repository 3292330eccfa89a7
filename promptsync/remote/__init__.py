"""The registry as a client sees it. The only layer that knows paths and body shapes of the wire."""
