"""What promptsync costs, measured beside the plainest program that does the same.

``python -m benchmarks`` builds its own registries and working copies, runs everything in child processes and
prints one table. Ratios are between runs of the same minute on the same machine.
"""
