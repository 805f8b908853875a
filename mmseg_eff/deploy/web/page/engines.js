// The engines of the page: WebAssembly at once, WebGPU when it has shown the same labels, faster.

const EQUAL = 0.9999; // share of labels, as the export itself asks for

/** A worker with the network loaded in one engine. */
export class Engine {
  constructor(name, threads) {
    this.name = name;
    this.threads = threads;
    this.waiting = new Map();
    this.worker = new Worker(new URL('worker.js', import.meta.url), { type: 'module' });
    this.worker.onmessage = ({ data: { id, result, error } }) => {
      const { resolve, reject } = this.waiting.get(id);
      this.waiting.delete(id);
      if (error) reject(new Error(error));
      else resolve(result);
      if (this.isRetired && !this.waiting.size) this.stop();
    };
    this.worker.onerror = event => this.fail(event.message || 'its worker does not start');
  }

  ask(task, what, transfer = []) {
    if (this.failure) return Promise.reject(new Error(this.failure));
    const id = this.last = (this.last ?? 0) + 1;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, task, ...what }, transfer);
    });
  }

  load(model) {
    return this.ask('load', { engine: this.name, threads: this.threads, model });
  }

  /** Labels of pixels (height, width, 3) in BGR, and the milliseconds of the network. */
  run({ pixels, height, width }) {
    return this.ask('run', { pixels, height, width });
  }

  fail(reason) {
    this.failure = reason;
    for (const { reject } of this.waiting.values()) reject(new Error(reason));
    this.waiting.clear();
  }

  /** Stop after what it has been asked for. */
  retire() {
    this.isRetired = true;
    if (!this.waiting.size) this.stop();
  }

  stop() {
    this.worker.terminate();
    this.fail('stopped');
  }

  toString() {
    if (this.name === 'webgpu') return 'WebGPU';
    return `WebAssembly, ${this.threads} ${this.threads === 1 ? 'thread' : 'threads'}`;
  }
}

/** Threads for WebAssembly; more than one needs the two headers of a cross-origin isolated page. */
export function threadCount(wanted) {
  if (!self.crossOriginIsolated) return 1;
  return Number(wanted) || Math.min(4, Math.ceil((navigator.hardwareConcurrency || 1) / 2));
}

/** Why WebGPU is not worth a trial here; empty if it is. */
export async function faultOfWebgpu() {
  if (!navigator.gpu) return 'the browser has no WebGPU';
  const adapter = await navigator.gpu.requestAdapter().catch(() => null);
  if (!adapter) return 'WebGPU finds no graphics processor';
  const isSoftware = adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter;
  return isSoftware ? 'WebGPU would run on the processor' : '';
}

/**
 * Load WebGPU and run an image that WebAssembly has labelled already.
 *
 * Returns the engine if it may take over, and a sentence on why or why not.
 */
export async function tryWebgpu(model, image, labels, ms) {
  const engine = new Engine('webgpu', 1);
  try {
    await engine.load(model);
    await engine.run(image); // compiles the shaders
    const found = await engine.run(image);
    const equal = agreement(labels, found.labels);
    const share = `${(100 * equal).toFixed(3)} % of its labels equal WebAssembly's`;
    const times = `${found.ms.toFixed(0)} instead of ${ms.toFixed(0)} ms`;
    if (equal >= EQUAL && found.ms < ms) return { engine, said: `${share}, ${times}` };
    const reason = equal < EQUAL ? `only ${share}` : `it is not faster (${times})`;
    engine.stop();
    return { said: `WebGPU is not used: ${reason}` };
  } catch (error) {
    engine.stop();
    return { said: `WebGPU is not used: ${error.message}` };
  }
}

function agreement(first, second) {
  let equal = 0;
  for (let i = 0; i < first.length; i++) equal += first[i] === second[i];
  return equal / first.length;
}
