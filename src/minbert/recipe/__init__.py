"""The recipe: its keys, how it is read from YAML, the ones that ship."""
