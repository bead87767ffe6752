"""HOW neurons are joined and driven: descriptions that run nothing."""
