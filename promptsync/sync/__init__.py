"""The library behind the verbs: gathers both sides, decides, writes. Returns data, never prints or exits."""
