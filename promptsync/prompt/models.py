"""Names that people write below ``model:``, to recognize misspelled ones. None of them is required."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from functools import lru_cache
from typing import Final


def words(text: str) -> frozenset[str]:
    """Return the words of a text that is a list."""
    return frozenset(text.split())


PROVIDERS: Final = words(
    "openai openai.azure anthropic anthropic.bedrock amazon.bedrock google vertexai mistral openrouter "
    "cohere huggingface"
)

PARAMETERS: Final = words(
    """
    temperature top_p top_k top_a min_p seed random_seed stop stop_sequences max_tokens max_output_tokens
    max_completion_tokens max_new_tokens presence_penalty frequency_penalty repetition_penalty logit_bias
    logprobs top_logprobs response_format reasoning reasoning_effort verbosity thinking budget_tokens
    parallel_tool_calls service_tier stream store user candidate_count safe_prompt web_search_options
    prompt_cache_key modalities prediction response_mime_type response_schema thinking_config safety_settings
    topP topK maxTokens maxOutputTokens stopSequences candidateCount responseMimeType responseSchema
    thinkingConfig safetySettings inferenceConfig
    """
)
"""Parameters of several providers; any other one is just as valid."""

RESPONSE_FORMATS: Final = frozenset(["text", "json_object", "json_schema"])

_LIKE: Final = 0.82
"""How alike two words are if one is the other misspelled, such as ``opneai``."""


@lru_cache(maxsize=1024)
def meant(word: str, known: Collection[str]) -> str:
    """Return the known word that another one is misspelled from, ``""`` if it is known or unlike any."""
    if word in known:
        return ""
    close = difflib.get_close_matches(word, known, 1, _LIKE) or difflib.get_close_matches(
        word.casefold(), known, 1, _LIKE
    )
    return close[0] if close else ""
