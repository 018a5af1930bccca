"""From notebooks, READMEs and source files to web pages that link to each other."""
