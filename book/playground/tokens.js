"use strict";
// A formula in the signs of print, rewritten in those of a keyboard: the twin of `keyboard` in mezo_lab/theory/expressions.
// Names, signs and limits come from there, as `library.grammar` of the generated formulas.js.

class FormulaError extends Error {}

const tokens = (() => {
  const data = library.grammar;
  const STARTS = data.starts;
  const NUMBER = /(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?/y;
  const NAME = /[A-Za-z_][A-Za-z_0-9]*/y;
  const ROOT_OF_BRACKET = /√[ \t\n\r\f\v]*(?=\()/y;
  const ROOT_OF_FACTOR = /√[ \t\n\r\f\v]*([0-9]+\.?[0-9]*|[A-Za-z_][A-Za-z_0-9]*)/y;
  const PRINTED = printedNames();

  /** The names of print, the longest first; one that ends in a letter must end there. */
  function printedNames() {
    const names = Object.keys(data.read).sort((a, b) => Array.from(b).length - Array.from(a).length);
    const patterns = names.map((name) => {
      const escaped = name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
      return escaped + (/[A-Za-z]$/.test(name) ? "(?![A-Za-z0-9_])" : "");
    });
    return new RegExp(patterns.join("|"), "y");
  }

  /** What a pattern matches at a place of a text; null for nothing. */
  function matchAt(pattern, text, place) {
    pattern.lastIndex = place;
    return pattern.exec(text);
  }

  /** A text as Python prints it in a message, in quotes. */
  function quoted(text) {
    const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
    let inside = "";
    for (const letter of text) {
      const code = letter.codePointAt(0);
      if (letter === "\\" || letter === quote) inside += "\\" + letter;
      else if (letter === "\n") inside += "\\n";
      else if (letter === "\r") inside += "\\r";
      else if (letter === "\t") inside += "\\t";
      else if (letter !== " " && /[\p{C}\p{Z}]/u.test(letter)) inside += escaped(code);
      else inside += letter;
    }
    return quote + inside + quote;
  }

  function escaped(code) {
    const digits = code.toString(16);
    if (code < 0x100) return "\\x" + digits.padStart(2, "0");
    if (code < 0x10000) return "\\u" + digits.padStart(4, "0");
    return "\\U" + digits.padStart(8, "0");
  }

  function short(text) {
    const letters = Array.from(text);
    if (letters.length < 60) return text;
    return letters.slice(0, 57).join("") + "...";
  }

  /** The error for a character that no formula has. */
  function unknown(text, place) {
    const letter = String.fromCodePoint(text.codePointAt(place));
    const code = letter.codePointAt(0);
    const name = data.letters[letter] || "u+" + code.toString(16).padStart(4, "0");
    const count = Array.from(text.slice(0, place)).length + 1;
    return new FormulaError(
      `Character ${count} of ${quoted(short(text))}, ${quoted(letter)} (${name}), has no meaning in a formula: ` +
        "write numbers, names, + - * / ** and brackets.",
    );
  }

  /** [kind, token in the signs of a keyboard] of everything in a formula. */
  function* split(printed) {
    const text = printed.replace(/[\uff01-\uff5e]/g, (wide) => String.fromCharCode(wide.charCodeAt(0) - 0xfee0));
    let place = 0;
    while (place < text.length) {
      const letter = String.fromCodePoint(text.codePointAt(place));
      const sign = matchAt(PRINTED, text, place);
      const number = matchAt(NUMBER, text, place);
      const name = matchAt(NAME, text, place);
      if (data.blanks.includes(letter)) {
        yield ["blank", " "];
        place += 1;
      } else if (sign) {
        yield ["sign", data.read[sign[0]]];
        place += sign[0].length;
      } else if (number) {
        yield ["number", number[0]];
        place += number[0].length;
      } else if (name) {
        yield [data.functions.includes(name[0]) ? "function" : "name", name[0]];
        place += name[0].length;
      } else if (data.digits.includes(letter) || letter === "⁻") {
        let end = place + 1;
        while (end < text.length && data.digits.includes(text[end])) end += 1;
        yield ["power", "**" + Array.from(text.slice(place, end), lowered).join("")];
        place = end;
      } else if (letter === "√") {
        const signed = matchAt(PRINTED, text, place + 1);
        const bracket = matchAt(ROOT_OF_BRACKET, text, place);
        const factor = matchAt(ROOT_OF_FACTOR, text, place);
        if (signed) {
          yield ["rooted", `sqrt(${data.read[signed[0]]})`];
          place += 1 + signed[0].length;
        } else if (bracket) {
          yield ["root", "sqrt"];
          place += bracket[0].length;
        } else if (factor) {
          yield ["rooted", `sqrt(${factor[1]})`];
          place += factor[0].length;
        } else {
          throw unknown(text, place);
        }
      } else if (letter in data.fractions) {
        yield ["sign", data.fractions[letter]];
        place += letter.length;
      } else if (letter in data.signs || letter.codePointAt(0) < 128) {
        let typed = data.signs[letter] || letter;
        place += letter.length;
        if (letter === "*" && text[place] === "*") {
          typed = "**";
          place += 1;
        }
        const kinds = { "(": "open", ")": "close", "/": "divide", "**": "raise" };
        yield [kinds[typed] || "operator", typed];
      } else {
        throw unknown(text, place);
      }
    }
  }

  function lowered(raised) {
    return raised === "⁻" ? "-" : String(data.digits.indexOf(raised));
  }

  /** Whether a product is meant where a token of this kind stands directly behind another. */
  function follows(before, kind) {
    if (before === "name") return ["sign", "rooted", "root", "function"].includes(kind);
    if (before === "number") return STARTS.includes(kind) && kind !== "number";
    return ["sign", "rooted", "close", "power"].includes(before) && STARTS.includes(kind);
  }

  /** The formula in the signs of a keyboard, its products written out. */
  function keyboard(text) {
    const typed = [];
    const outside = []; // whether the brackets that are open stand behind a / or a power
    let before = "";
    let divided = false;
    for (const [kind, token] of split(text)) {
      if (kind === "blank") {
        typed.push(token);
        continue;
      }
      if (follows(before, kind)) {
        if (divided) {
          throw new FormulaError(
            `${quoted(text)} has a product without a sign behind /, √ or a power, before ${quoted(token)}, and may ` +
              "mean two things: write a * and brackets, like 1/(2*d).",
          );
        }
        typed.push("*");
      } else if (STARTS.includes(kind) && before !== "root" && before !== "function") {
        divided = before === "divide" || before === "raise";
      }
      if (kind === "open") {
        outside.push(divided);
        divided = false;
      } else if (kind === "close") {
        divided = outside.length > 0 && outside.pop();
      } else if (kind === "rooted") {
        divided = true; // √2d
      }
      typed.push(token);
      before = kind;
    }
    return typed.join("");
  }

  /** A formula in the signs of print, as the tables and figures of the library show it. */
  function printed(formula) {
    const single = ["g₁", "p₁", "ρ₁", "tr(H)", "tr(Σ)"];
    const named = keyboard(formula).replace(/([A-Za-z_][A-Za-z_0-9]*)(\*\*|)/g, (_, typed, power) => {
      const sign = data.names[typed] || typed;
      const whole = Array.from(sign).length === 1 || sign === typed || single.includes(sign);
      return power && !whole ? `(${sign})${power}` : sign + power;
    });
    const powers = named.replace(/\*\*([0-9]+)\b(?!\.)/g, (_, power) => {
      return Array.from(power, (digit) => data.digits[Number(digit)]).join("");
    });
    return powers.replaceAll("**", "^").replaceAll("*", "·").replaceAll("-", "−");
  }

  return { keyboard, printed, quoted, short };
})();
