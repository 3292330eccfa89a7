"""``llm_kwargs``: the arguments for a provider's client, built from templates, a module per API."""
