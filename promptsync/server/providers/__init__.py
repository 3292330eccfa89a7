"""``llm_kwargs``: a template as the arguments of a provider's client, one module per form of a request."""
