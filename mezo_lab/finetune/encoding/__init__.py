"""From rows to token ids, and from token ids to the logits at the answers."""
