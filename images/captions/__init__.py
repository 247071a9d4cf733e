"""Captions that a model writes: which photos get one, asking a provider, and what hosts decide."""
