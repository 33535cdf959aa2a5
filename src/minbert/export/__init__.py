"""A trained model in the forms that other libraries and programs read: one file each in ``formats/``."""
