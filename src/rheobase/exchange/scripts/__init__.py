"""A network as a script in the language of another simulator, for reading side by side and for checking."""
