"""Published sentences that the claims correct, as data: of the MeZO paper, of its successors, and of their code."""
