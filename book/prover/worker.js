/* What runs beside the page: Python in WebAssembly, which answers one question after another.
 *
 * engine.js starts the worker from the text of this function, which has no address of its own: a page that was opened as
 * a file can start no other. In: {number, files} once, then {number, question, given}. Out: {progress} on the way, and
 * {number, answer} or {number, error}.
 */
"use strict";

function proverWorker() {
  const HOME = "https://prover.invalid/"; // where Pyodide believes its files to lie
  let python = null;

  const moduleAddress = (bytes) => URL.createObjectURL(new Blob([bytes], { type: "text/javascript" }));

  /* Pyodide asks for its files by address: it gets those that the page has sent, and reaches nothing else. */
  function serve(files) {
    self.fetch = async (address) => {
      const name = String(address.url || address).replace(HOME, "");
      if (!(name in files)) {
        throw new Error(`${name} is not among the files of the page`);
      }
      const type = name.endsWith(".wasm") ? "application/wasm" : "application/octet-stream";
      return new Response(files[name], { headers: { "Content-Type": type } });
    };
  }

  async function start(files) {
    // Where the page is a file, the browser starts workers of the classic kind alone. They import modules all the same,
    // but Pyodide refuses a worker in which importScripts works.
    self.importScripts = () => {
      throw new TypeError("this worker imports modules");
    };
    serve(files);
    postMessage({ progress: "Python starts." });
    const { loadPyodide } = await import(moduleAddress(files["pyodide.mjs"]));
    const { default: createPyodideModule } = await import(moduleAddress(files["pyodide.asm.mjs"]));
    const lockFileContents = await (await fetch(HOME + "pyodide-lock.json")).json();
    const pyodide = await loadPyodide({ indexURL: HOME, createPyodideModule, lockFileContents });
    pyodide.FS.writeFile("/library.zip", new Uint8Array(files["library.zip"]));
    pyodide.runPython("import sys; sys.path.insert(0, '/library.zip')");
    postMessage({ progress: "Python imports sympy." });
    pyodide.runPython("import sympy");
    postMessage({ progress: "Python imports the proofs." });
    return pyodide.pyimport("prover.in_browser");
  }

  self.onmessage = async ({ data }) => {
    try {
      let answer = null;
      if (data.files) {
        python = await start(data.files);
      } else {
        answer = JSON.parse(python.answer(data.question, JSON.stringify(data.given)));
      }
      postMessage({ number: data.number, answer });
    } catch (error) {
      postMessage({ number: data.number, error: lastLine(error) });
    }
  };

  /* Of a traceback, the line that says what happened. */
  function lastLine(error) {
    const lines = String(error.message || error).trim().split("\n");
    return `Python ended with “${lines[lines.length - 1]}”.`;
  }
}

window.proverWorker = proverWorker;
