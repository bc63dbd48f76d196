/* Python for the page: its files are loaded and unpacked once, and a worker runs it until it is stopped. */
"use strict";

window.prover = window.prover || {};

(() => {
  const prover = window.prover;
  const pieces = {}; // file → its pieces, compressed
  let files = null; // file → its bytes
  let worker = null;
  let asked = 0; // questions so far, which numbers them
  let waiting = new Map(); // number of a question → what settles its promise
  let stopped = 0; // how often the reader has pressed Stop

  class Stopped extends Error {}
  prover.Stopped = Stopped;

  /* Called by each script of the archive: a piece of a file. */
  prover.piece = (file, index, text) => {
    pieces[file] = pieces[file] || [];
    pieces[file][index] = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  };

  function loadScript(address) {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = address;
      script.onload = resolve;
      script.onerror = () => {
        script.remove();
        reject(new Error(`${address} could not be loaded. Look at the connection, and press again.`));
      };
      document.head.append(script);
    });
  }

  function lacking() {
    const needed = { WebAssembly: "WebAssembly", Worker: "workers", DecompressionStream: "gzip" };
    const names = Object.keys(needed).filter((name) => !(name in window));
    return names.map((name) => needed[name]).join(", ");
  }

  async function unpacked(file) {
    const packed = new Blob(pieces[file]).stream();
    return new Response(packed.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
  }

  /* Load what is missing. What was loaded before a stop or a failure is not loaded again. */
  async function load(say, alive) {
    const { scripts, folder } = prover.archive;
    const all = scripts.reduce((sum, [, megabytes]) => sum + megabytes, 0);
    let done = 0;
    for (const script of scripts) {
      const [name, megabytes] = script;
      if (!script.loaded) {
        say(`Loading: ${done.toFixed(1)} of ${all.toFixed(1)} MB.`, done / all);
        await loadScript(`${folder}/${name}`);
        script.loaded = true;
        alive();
      }
      done += megabytes;
    }
    say("Unpacking.", 1);
    const read = {};
    for (const file of Object.keys(pieces)) {
      read[file] = await unpacked(file);
      alive();
    }
    return read;
  }

  /* The promise of what the worker sends back under a number; a failed start has the number 0. */
  function reply(number) {
    return new Promise((resolve, reject) => {
      waiting.set(number, { resolve, reject });
    });
  }

  function hear(say, { data }) {
    if (data.progress) {
      say(data.progress, 1);
      return;
    }
    const asker = waiting.get(data.number);
    waiting.delete(data.number);
    if (data.error) {
      asker.reject(new Error(data.error));
    } else {
      asker.resolve(data.answer);
    }
  }

  async function begin(say) {
    const source = `(${window.proverWorker})();`;
    const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    const started = reply(0);
    worker = new Worker(address);
    worker.onmessage = (event) => hear(say, event);
    worker.onerror = (event) => {
      end(new Error(`The worker ended: ${event.message || "this browser could not start it"}.`));
    };
    worker.postMessage({ number: 0, files });
    await started;
    URL.revokeObjectURL(address);
  }

  function end(reason) {
    if (worker) {
      worker.terminate();
    }
    worker = null;
    const left = waiting;
    waiting = new Map();
    left.forEach((asker) => asker.reject(reason));
  }

  prover.loaded = () => files !== null;

  /* Ask Python. say: called with what goes on, in words, and the share of what was loaded. */
  prover.ask = async (question, given, say) => {
    const before = stopped;
    const alive = () => {
      if (stopped !== before) {
        throw new Stopped();
      }
    };
    if (lacking()) {
      throw new Error(`This browser lacks ${lacking()}: use one of 2023 or later.`);
    }
    files = files || (await load(say, alive));
    if (!worker) {
      try {
        await begin(say);
      } catch (error) {
        end(error);
        throw error;
      }
    }
    asked += 1;
    const answer = reply(asked);
    worker.postMessage({ number: asked, question, given });
    return answer;
  };

  prover.stop = () => {
    stopped += 1;
    end(new Stopped());
  };
})();
