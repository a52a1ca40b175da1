"""One module a command: `arguments` says what it takes, `main` does it.

A module is imported only when its command is called. At its top it imports the standard library
alone, so that help and wrong arguments answer at once; what does the work is imported in `main`.
"""
