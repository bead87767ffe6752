"""Between modules and networks (placeholder while the converter is tested)."""


def to_network() -> None:
    """Return nothing yet."""


def from_network() -> None:
    """Return nothing yet."""
