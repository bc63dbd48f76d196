"use strict";
// The settings of the page as text: in the form, in the address behind #, and in the command.

const settings = (() => {
  const NAMES = ["claim", "law", "d", "n", "r", "t", "p", "q", "k", "formula", "seed", "resolution", "draws"];
  const DEFAULTS = {
    claim: "A2",
    law: "gaussian",
    ...Object.fromEntries(Object.entries(library.start).map(([name, value]) => [name, String(value)])),
    formula: "",
    seed: "0",
    resolution: "0.01",
    draws: "",
  };

  /** The settings behind the # of an address; what is left out has its default. A bare + stays a plus. */
  function fromHash(hash) {
    const found = { ...DEFAULTS };
    for (const part of hash.replace(/^#/, "").split("&")) {
      const [name, ...rest] = part.split("=");
      if (!NAMES.includes(name)) continue;
      try {
        found[name] = decodeURIComponent(rest.join("="));
      } catch (error) {
        found[name] = rest.join("="); // a percent sign that encodes nothing
      }
    }
    return found;
  }

  /** The address part that leads back to these settings: what differs from the default, and what a claim needs. */
  function toHash(chosen, parameters) {
    const needed = ["claim", "law", ...parameters];
    const rest = ["formula", "seed", "resolution", "draws"].filter((name) => chosen[name] !== DEFAULTS[name]);
    return "#" + [...needed, ...rest].map((name) => `${name}=${encodeURIComponent(chosen[name])}`).join("&");
  }

  function read(form) {
    return Object.fromEntries(NAMES.map((name) => [name, form.elements[name].value.trim()]));
  }

  function write(form, chosen) {
    for (const name of NAMES) form.elements[name].value = chosen[name];
  }

  return { NAMES, DEFAULTS, fromHash, toHash, read, write };
})();
