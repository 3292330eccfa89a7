"""What the registry of these tests knows besides prompts."""

from __future__ import annotations

FIXTURES = """
datasets:
  - name: people
    rows: [{name: Ada}, {name: Linus}]
evaluations:
  - {name: a is polite, dataset: people, prompt: a, scores: [contains: polite]}
  - {name: b is polite, dataset: people, prompt: b, scores: [contains: polite]}
  - {name: c is polite, dataset: people, prompt: c, scores: [contains: polite]}
  - {name: a under prod, dataset: people, prompt: {name: a, label: prod}, scores: [contains: polite]}
  - {name: tone is polite, dataset: people, prompt: tone, scores: [contains: polite]}
agents:
  - {name: bot, nodes: [{name: answer, prompt: d, output: true}]}
"""
