"""The same rows as CODE: printers, and the files they write."""
