"""Finished runs set side by side: which is better at what, and how sure that is."""
