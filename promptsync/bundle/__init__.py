"""Makes bundles, from a release label or from a commit."""
