"""HTTP: reading requests, writing responses, and the lists that share filters and pages."""
