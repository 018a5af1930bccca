"""Checks for the exercises of the notebooks: right or wrong, and where.

Each notebook has a module of its own here, imported as ``check``; each exercise a function in it,
which takes what the reader wrote, tries it on fresh random inputs, and returns a `Verdict`.
"""
