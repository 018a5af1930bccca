"""How notebooks are kept in the repository: in one form, with outputs that a new run confirms."""
