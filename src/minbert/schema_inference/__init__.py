"""From a folder of files to a recipe: which tasks are there, what their columns hold, and what their labels are."""
