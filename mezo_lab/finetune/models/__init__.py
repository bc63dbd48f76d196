"""Language models: loading them, and choosing the part of them that is trained."""
