"use strict";
// A formula of the reader: parsed as Python parses it, checked by a whitelist, and evaluated with a bound of its
// rounding. The twin of `Expression` in mezo_lab/theory/expressions. There is no `eval`: a formula can do arithmetic only.

const grammar = (() => {
  const data = library.grammar;
  const KEYWORDS = (
    "False None True and as assert async await break class continue def del elif else except finally for from global " +
    "if import in is lambda nonlocal not or pass raise return try while with yield"
  ).split(" ");
  const BINARY = [
    { "|": "BitOr" },
    { "&": "BitAnd" },
    { "<<": "LShift", ">>": "RShift" },
    { "+": "Add", "-": "Sub" },
    { "*": "Mult", "/": "Div", "%": "Mod", "//": "FloorDiv", "@": "MatMult" },
  ]; // the weakest first
  const UNARY = { "+": "UAdd", "-": "USub", "~": "Invert" };
  const COMPARED = ["<", ">", "<=", ">=", "==", "!=", "in", "is"];
  const LEXEME = new RegExp(
    [
      "(?<number>(?:[0-9]+\\.?[0-9]*|\\.[0-9]+)(?:[eE][+-]?[0-9]+)?)",
      "(?<name>[A-Za-z_][A-Za-z_0-9]*)",
      "(?<text>'[^'\\n]*'|\"[^\"\\n]*\")",
      "(?<sign>\\*\\*|//|<<|>>|<=|>=|==|!=|[-+*/%@|&~<>()\\[\\],.=])",
    ].join("|"),
    "y",
  );

  class NotArithmetic extends Error {}

  /** The lexemes of a text, as Python would cut it; a comment ends it. */
  function lexemes(text) {
    const found = [];
    let depth = 0;
    let place = 0;
    while (place < text.length) {
      const letter = text[place];
      if (letter === "#") {
        while (place < text.length && text[place] !== "\n") place += 1;
        continue;
      }
      if (letter === " " || letter === "\t" || letter === "\f" || (letter === "\n" && depth > 0)) {
        place += 1;
        continue;
      }
      LEXEME.lastIndex = place;
      const match = LEXEME.exec(text);
      if (!match) throw new NotArithmetic();
      const kind = Object.keys(match.groups).find((name) => match.groups[name] !== undefined);
      const token = match[0];
      // Python has no 007; 0 and 00 are 0
      if (kind === "number" && /^0[0-9]*[1-9][0-9]*$/.test(token)) throw new NotArithmetic();
      if (token === "(" || token === "[") depth += 1;
      if (token === ")" || token === "]") depth -= 1;
      found.push({ kind, token, place });
      place += token.length;
    }
    return found;
  }

  /** The syntax tree of a text in the signs of a keyboard: nodes {type, children, …} named as in Python's `ast`. */
  function tree(text) {
    const lexed = lexemes(text);
    let at = 0;

    const peek = () => (at < lexed.length ? lexed[at] : { kind: "end", token: "" });
    const isSign = (token) => peek().kind === "sign" && peek().token === token;
    const isWord = (token) => peek().kind === "name" && peek().token === token;

    function accept(token) {
      if (!isSign(token) && !isWord(token)) return false;
      at += 1;
      return true;
    }

    function expect(token) {
      if (!accept(token)) throw new NotArithmetic();
    }

    function expression() {
      const body = disjunction();
      if (!accept("if")) return body;
      const test = disjunction();
      expect("else");
      return { type: "IfExp", children: [test, body, expression()] };
    }

    function disjunction() {
      return joined("or", () => joined("and", inversion));
    }

    function joined(word, part) {
      const parts = [part()];
      while (accept(word)) parts.push(part());
      return parts.length === 1 ? parts[0] : { type: "BoolOp", children: parts };
    }

    function inversion() {
      if (!accept("not")) return comparison();
      return { type: "UnaryOp", children: [{ type: "Not", children: [] }, inversion()] };
    }

    function comparison() {
      const parts = [binary(0)];
      while (COMPARED.includes(peek().token) || isWord("not")) {
        const word = peek().token;
        at += 1;
        if (word === "not") expect("in");
        if (word === "is") accept("not");
        parts.push(binary(0));
      }
      return parts.length === 1 ? parts[0] : { type: "Compare", children: parts };
    }

    function binary(level) {
      if (level === BINARY.length) return factor();
      let left = binary(level + 1);
      while (peek().kind === "sign" && peek().token in BINARY[level]) {
        const operator = { type: BINARY[level][peek().token], children: [] };
        at += 1;
        left = { type: "BinOp", children: [left, operator, binary(level + 1)] };
      }
      return left;
    }

    function factor() {
      if (peek().kind === "sign" && peek().token in UNARY) {
        const operator = { type: UNARY[peek().token], children: [] };
        at += 1;
        return { type: "UnaryOp", children: [operator, factor()] };
      }
      const base = primary();
      if (!accept("**")) return base;
      return { type: "BinOp", children: [base, { type: "Pow", children: [] }, factor()] };
    }

    function primary() {
      let node = atom();
      for (;;) {
        if (accept("(")) {
          node = { type: "Call", function: node, ...callArguments() };
          node.children = [node.function, ...node.arguments];
        } else if (accept("[")) {
          node = { type: "Subscript", children: [node, listed("]", 1)] };
        } else if (accept(".")) {
          const { kind, token } = peek();
          if (kind !== "name" || KEYWORDS.includes(token)) throw new NotArithmetic();
          at += 1;
          node = { type: "Attribute", children: [node] };
        } else {
          return node;
        }
      }
    }

    function callArguments() {
      const found = [];
      let keywords = false;
      while (!accept(")")) {
        const named = peek().kind === "name" && lexed[at + 1] && lexed[at + 1].token === "=";
        if (named) at += 2;
        if (keywords && !named) throw new NotArithmetic();
        keywords = keywords || named;
        found.push(expression());
        if (!isSign(")")) expect(",");
      }
      return { arguments: found, keywords };
    }

    /** Expressions with commas between them, up to a closing bracket. */
    function listed(close, least) {
      const items = [];
      let comma = false;
      while (!accept(close)) {
        items.push(expression());
        if (isSign(close)) continue;
        expect(",");
        comma = true;
      }
      if (items.length < least) throw new NotArithmetic();
      if (items.length === 1 && !comma) return items[0];
      return { type: "Tuple", children: items };
    }

    function atom() {
      const { kind, token } = peek();
      at += 1;
      if (kind === "number") return { type: "Number", value: Number(token), children: [] };
      if (kind === "name" && ["True", "False", "None"].includes(token)) return { type: "Literal", children: [] };
      if (kind === "name" && !KEYWORDS.includes(token)) return { type: "Name", name: token, children: [] };
      if (kind === "text") {
        while (peek().kind === "text") at += 1;
        return { type: "Literal", children: [] };
      }
      if (token === "(") return listed(")", 0);
      if (token === "[") {
        listed("]", 0);
        return { type: "List", children: [] };
      }
      throw new NotArithmetic();
    }

    if (lexed.length === 0) throw new NotArithmetic();
    const items = [expression()];
    let comma = false;
    while (accept(",")) {
      comma = true;
      if (at < lexed.length) items.push(expression());
    }
    if (at < lexed.length) throw new NotArithmetic();
    return comma ? { type: "Tuple", children: items } : items[0];
  }

  const ALLOWED = ["BinOp", "UnaryOp", "Name", "Number", "UAdd", "USub", "Add", "Sub", "Mult", "Div", "Pow"];
  const KINDS = { Call: "a call", Attribute: "an attribute", Subscript: "an index", Literal: "a literal" };

  function applies(node) {
    const called = node.type === "Call" && node.function.type === "Name" ? node.function.name : "";
    return data.functions.includes(called) && node.arguments.length === 1 && !node.keywords;
  }

  /** The syntax tree of a formula, after every node of it was found on the whitelist. Throws: FormulaError. */
  function parse(text) {
    const length = Array.from(text).length;
    if (length > data.maxLength) {
      const got = length.toLocaleString("en-US");
      throw new FormulaError(`A formula has at most ${data.maxLength} characters, got ${got}: shorten it.`);
    }
    const typed = tokens.keyboard(text).trim();
    let root;
    try {
      root = tree(typed);
    } catch (error) {
      if (!(error instanceof NotArithmetic)) throw error;
      throw new FormulaError(
        `${tokens.quoted(text)} is not arithmetic: write numbers, names, + - * / ** and brackets, like (d+n-1)/n.`,
      );
    }
    const waiting = [root]; // level by level, as Python walks
    while (waiting.length > 0) {
      const node = waiting.shift();
      if (!ALLOWED.includes(node.type) && !applies(node)) {
        const kind = KINDS[node.type] || node.type;
        throw new FormulaError(
          `Only + - * / ** on numbers and names are allowed, got ${kind} in ${tokens.quoted(tokens.short(text))}: ` +
            "remove it.",
        );
      }
      waiting.push(...node.children);
    }
    return root;
  }

  /** The names that a formula uses, without those of its functions. */
  function names(node) {
    if (node.type === "Name") return [node.name];
    const inside = node.type === "Call" ? node.arguments : node.children;
    return inside.flatMap(names);
  }

  class DividesByZero extends Error {}
  class Overflows extends Error {}
  const NOTHING = [NaN, NaN];

  /** [value, bound of its rounding] of a node: the running error analysis of Wilkinson. */
  function evaluate(node, values) {
    if (node.type === "Number") return Number.isFinite(node.value) ? [node.value, 0] : NOTHING;
    if (node.type === "Name") {
      if (!Object.hasOwn(values, node.name)) {
        const known = Object.keys(values).sort().join(", ");
        throw new FormulaError(`Unknown name ${tokens.quoted(node.name)}: this claim knows ${known}.`);
      }
      return [values[node.name], data.unit * Math.abs(values[node.name])];
    }
    if (node.type === "UnaryOp") {
      const [value, rounding] = evaluate(node.children[1], values);
      return [node.children[0].type === "USub" ? -value : value, rounding];
    }
    if (node.type === "Call") return applied(node.function.name, ...evaluate(node.arguments[0], values));
    const [left, operator, right] = node.children;
    return combined(operator.type, evaluate(left, values), evaluate(right, values));
  }

  function applied(name, argument, rounding) {
    if ((argument < 0 && name !== "exp") || (argument === 0 && name === "log") || !Number.isFinite(argument)) {
      return NOTHING;
    }
    const value = Math[name](argument);
    if (value === Infinity) throw new Overflows();
    let slope = value;
    if (name === "sqrt") slope = 0.5 / (value || 1);
    if (name === "log") slope = 1 / argument;
    return [value, Math.abs(slope) * rounding + data.unit * Math.abs(value)];
  }

  function combined(operator, [a, ofA], [b, ofB]) {
    const value = OPERATORS[operator](a, b);
    if (!Number.isFinite(value)) return NOTHING; // 1/(1e308*10) is no 0
    let carried = ofA + ofB;
    if (operator === "Mult") {
      carried = Math.abs(a) * ofB + Math.abs(b) * ofA;
    } else if (operator === "Div") {
      carried = (ofA + Math.abs(value) * ofB) / Math.abs(b);
    } else if (operator === "Pow") {
      let relative = 0;
      if (a !== 0) relative = (Math.abs(b) * ofA) / Math.abs(a) + Math.abs(Math.log(Math.abs(a))) * ofB;
      carried = Math.abs(value) * relative;
    }
    return [value, carried + data.unit * Math.abs(value)];
  }

  const OPERATORS = {
    Add: (a, b) => a + b,
    Sub: (a, b) => a - b,
    Mult: (a, b) => a * b,
    Div: (a, b) => {
      if (b === 0) throw new DividesByZero();
      return a / b;
    },
    Pow: (base, exponent) => {
      if (exponent > data.maxPower) {
        const got = words.general(exponent, 6);
        throw new FormulaError(`A power is at most ${data.maxPower}, got ${got}: no formula here needs more.`);
      }
      if (base === 0 && exponent < 0) throw new DividesByZero();
      if (base === 1) return 1;
      const value = base ** exponent;
      if (Math.abs(value) === Infinity && Number.isFinite(base)) throw new Overflows();
      return value;
    },
  };

  /** The value of a formula and a bound of what rounding may have done to it. Throws: FormulaError. */
  function rounded(text, values) {
    const at = () => {
      const shown = Object.entries(values).map(([name, value]) => `${name} = ${words.general(value, 6)}`);
      return shown.join(", ");
    };
    let result;
    try {
      result = evaluate(parse(text), values);
    } catch (error) {
      if (error instanceof DividesByZero) {
        throw new FormulaError(`${tokens.quoted(text)} divides by zero at ${at()}: change it or the values.`);
      }
      if (error instanceof Overflows) {
        throw new FormulaError(`${tokens.quoted(text)} overflows at ${at()}: use smaller powers.`);
      }
      throw error;
    }
    if (!Number.isFinite(result[0])) {
      throw new FormulaError(`${tokens.quoted(text)} is not a finite real number at ${at()}: check its roots.`);
    }
    return result;
  }

  return { names: (text) => new Set(names(parse(text))), rounded };
})();
