"""Ways of RUNNING a model."""
