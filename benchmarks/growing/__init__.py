"""How cost grows: `steps` with the parameters, the probes and the rank of the law, `processes`, and `draws`."""
