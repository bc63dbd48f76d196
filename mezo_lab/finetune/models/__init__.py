"""Language models: found, loaded, and the part of them that is trained."""
