"""The parts of ``time_to_quality.py``: curves, the rows that all train on, and each contestant's way to a curve."""
