"""Python that the page of proofs runs in the browser; the tests run it without one."""
