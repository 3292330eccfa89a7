"""HTTP: reading requests, writing answers, and the lists that share filters and pages."""
