"""Registries: what promptsync needs of one, as protocols, and PromptLayer behind them."""
