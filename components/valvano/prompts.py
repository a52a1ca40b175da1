"""The method's prompts (Valvano et al. 2024, sections 3.1 and 3.2)."""


def concept(token: str) -> str:
    """Prompt of phase 1 for the photos of the domain."""
    return f"an image of a {token}"


def prior(noun: str) -> str:
    """Prompt of phase 1 for the class images."""
    return f"a {noun}"


def condition(token: str, defect: str) -> str:
    """Prompt of phase 2 and of the synthesis for a photo with a defect of one class."""
    return f"an image of a {token} with a {defect} crack"
