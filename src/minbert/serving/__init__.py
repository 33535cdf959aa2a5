"""A trained run answers over HTTP: requests become jobs, jobs share packed batches, one thread runs the model."""
