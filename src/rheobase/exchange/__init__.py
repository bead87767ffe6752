"""Networks, cells and recordings to and from other programs."""
