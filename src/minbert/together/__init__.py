"""Finished runs taken together: ensembles, soups, teachers."""
